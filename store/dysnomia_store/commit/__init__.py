"""How a snapshot becomes a generation: dumped here, imported, or healed."""
