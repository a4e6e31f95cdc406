"""Jobs: a folder each, a detached worker each, and files that anyone with access to the store may watch."""
