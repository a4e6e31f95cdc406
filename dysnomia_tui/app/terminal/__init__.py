"""The terminal around the app: key order, suspend, what it cannot do."""
