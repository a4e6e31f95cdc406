"""What is in a generation: sections and rows, for browsing and comparing."""
