"""The parts of the type ``ejabberd-dump``."""
