"""The parts of the type ``rabbitmq-definitions``."""
