"""What a snapshot holds: artefacts in frames, the digest that is the id, the contents index."""
