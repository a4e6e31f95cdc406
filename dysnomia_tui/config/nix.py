"""Names of what stands in a Nix store: ``/nix/store/<hash>-name`` is called ``name``."""

from __future__ import annotations

from collections.abc import Mapping

NIX_STORE = "/nix/store"
NIX_STORE_DIR = "NIX_STORE_DIR"
"""The variable that says where another Nix store is."""
NIX_HASH = 33
"""Characters before the name."""


def nix_store(environ: Mapping[str, str]) -> str:
    """The folder of the Nix store, as this environment has it."""
    return (environ.get(NIX_STORE_DIR) or NIX_STORE).rstrip("/")


def plain_name(path: str, environ: Mapping[str, str]) -> str:
    """The last part of a path, without the hash where it is one into the Nix store."""
    base = path.rstrip("/").rpartition("/")[2]
    if path.startswith(nix_store(environ) + "/") and len(base) > NIX_HASH:
        return base[NIX_HASH:]
    return base
