"""Other machines that have this program: which there are, and what each says of itself over the operator's own ssh."""
