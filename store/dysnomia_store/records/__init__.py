"""The records on disk: their JSON, their format version, and the rules of retention."""
