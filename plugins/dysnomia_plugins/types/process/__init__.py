"""Parts of the type ``process``."""
