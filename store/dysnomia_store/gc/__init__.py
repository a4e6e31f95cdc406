"""Garbage collection: the plan (a pure function), carrying it out, and the trash."""
