"""The type ``nixos-configuration``."""
