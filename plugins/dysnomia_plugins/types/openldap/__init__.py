"""The parts of the type ``openldap-directory``."""
