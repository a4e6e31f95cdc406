"""Parts of the type ``git-repository``."""
