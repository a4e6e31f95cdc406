"""The parts of the type ``postgresql-database``; its interface is in postgresql.py beside this package."""
