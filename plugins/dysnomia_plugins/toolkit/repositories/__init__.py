"""What types share whose state is a repository in a folder of its own: its places, its making, its other files."""
