"""What the dumps of SQL servers have in common: how they are read in pieces, named and cut into ranges."""
