"""Keys of a snapshot put back into a live server: looked at, planned, and written in one transaction."""
