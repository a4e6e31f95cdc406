"""Applications: components that are snapshotted, restored and undone together."""
