"""Finding in rows and lines: those that hold a text, and the history of one through the generations."""
