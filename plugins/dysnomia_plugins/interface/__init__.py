"""What plugins and the engine hand each other: contexts, records, status."""
