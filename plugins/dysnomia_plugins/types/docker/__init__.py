"""Parts of the types ``docker-container`` and ``docker-volume``."""
