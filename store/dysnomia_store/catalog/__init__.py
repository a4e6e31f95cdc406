"""What is known of a component, read from the disk or from the cache: generations, checks, marks."""
