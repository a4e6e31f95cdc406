"""Parts of the type ``sysvinit-script``."""
