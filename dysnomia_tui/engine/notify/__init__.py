"""Telling people what happens while nobody watches: a program of theirs, a ping, Apprise. Once an event."""
