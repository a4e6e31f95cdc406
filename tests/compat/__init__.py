"""Dysnomia's commands and ours, called in the same way on the same files.

``cases/*.toml`` say how a command is called and what was there before; ``facts/*.json`` what Dysnomia 0.10.2 then wrote
on standard output, left on disk and ended with, recorded by running it (``python -m tests.compat.record PREFIX``).
``differences.toml`` names what we do in another way on purpose; README.md lists the same.
"""
