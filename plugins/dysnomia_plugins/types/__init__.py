"""The types of state: a folder or a file each, none of which imports another."""
