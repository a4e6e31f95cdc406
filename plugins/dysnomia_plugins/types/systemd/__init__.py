"""Parts of the type ``systemd-unit``."""
