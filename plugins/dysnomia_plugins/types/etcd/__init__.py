"""The parts of the type ``etcd-database``."""
