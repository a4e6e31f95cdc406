"""The ground floor: what every layer needs, and what imports nothing of ours."""
