"""Dysnomia's property files: parsed, with substitution under a rule of trust."""
