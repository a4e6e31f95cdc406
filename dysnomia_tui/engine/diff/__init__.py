"""What differs between two snapshots, or between one and what is live: sections, rows, lines."""
