"""Parts of the type ``supervisord-program``."""
