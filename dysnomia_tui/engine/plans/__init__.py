"""Plans: immutable records of what a change would do, their grades, and when they are stale."""
