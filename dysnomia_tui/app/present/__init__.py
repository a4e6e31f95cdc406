"""State to rows of text: pure functions, no widget."""
