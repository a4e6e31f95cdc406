"""Servers in containers of Docker and Podman: which run, how one is reached, and their own clients run inside."""
