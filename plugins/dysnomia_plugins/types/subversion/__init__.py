"""The parts of the type ``subversion-repository``."""
