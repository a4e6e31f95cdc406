"""Archives: generations of one store in one file, for another store."""
