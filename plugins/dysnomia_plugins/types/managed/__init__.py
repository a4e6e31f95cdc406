"""Parts of the type ``managed-process``."""
