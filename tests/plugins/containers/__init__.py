"""Servers in containers of Docker."""
