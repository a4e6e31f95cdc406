"""The parts of the type ``redis-database``."""
