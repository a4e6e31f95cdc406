"""Ground floor: rules that every layer shares. Imports nothing of the other packages."""
