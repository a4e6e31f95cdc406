"""Applications that are known from a table: recognised by their own configuration, and offered as a group."""
