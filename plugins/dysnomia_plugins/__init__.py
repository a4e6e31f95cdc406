"""The plugin layer: the interface in base.py, one file for each type of state."""
