"""What the main screen does, a subject a file."""
