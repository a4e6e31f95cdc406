"""Paths, system calls and locks: everything that touches the file system."""
