"""Parts of the type ``xinetd-service``."""
