"""The parts of the type ``influx-database``."""
