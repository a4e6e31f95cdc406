"""The type ``mongo-database``."""
