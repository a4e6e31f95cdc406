"""The parts of the type ``mysql-database``."""
