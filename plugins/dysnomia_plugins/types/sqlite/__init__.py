"""The type ``sqlite-database``."""
