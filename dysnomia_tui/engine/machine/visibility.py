"""What a user who is not root can see of the stores on this machine, and the command that shows the rest."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Sequence
from pathlib import Path

from dysnomia_store.errors import NotPermitted
from dysnomia_tui.config.load import ROOT_STATEDIR

MACHINE_STORES = (ROOT_STATEDIR, Path("/var/state/dysnomia-nixos"))
"""Where a machine's own stores are: root's, and that of NixOS's module."""
PARTS = ("jobs", "generations", "snapshots", "metadata")


def notice(statedir: Path, machine_stores: Sequence[Path] = MACHINE_STORES) -> str:
    """What may not be seen, in one sentence; ``""`` for root."""
    if os.geteuid() == 0:
        return ""
    hidden = next((part for part in (statedir, *(statedir / name for name in PARTS)) if _hidden(part)), None)
    if hidden is not None:
        owner = _owner(hidden)
        return (
            f"generations are not shown: permission denied: {hidden} belongs to {owner};"
            f" {as_owner(statedir)} shows them"
        )
    others = [store for store in machine_stores if store != statedir and os.path.lexists(store)]
    if others:
        return f"{others[0]} is another store, of {_owner(others[0])}; {as_owner(others[0])} shows it"
    return (
        "not root: databases and files of other users, their processes and their stores are not shown;"
        " sudo dysnomia-tui shows all"
    )


def check_readable(statedir: Path) -> None:
    """Raises NotPermitted where a store is there that this user may not read: an empty list would say it is empty."""
    if _hidden(statedir):
        raise NotPermitted(f"permission denied: {statedir}", f"run: {as_owner(statedir)}")


def as_owner(statedir: Path) -> str:
    """The line that opens a store as the user it belongs to."""
    owner = _owner(statedir)
    words = ["sudo", *(() if owner == "root" else ("-u", owner)), "dysnomia-tui"]
    if owner != "root" or statedir != ROOT_STATEDIR:
        words += ["--statedir", str(statedir)]
    return shlex.join(words)


def _hidden(path: Path) -> bool:
    """Below a folder that may not be entered there is nothing to see, and no error to raise: os.path, not Path."""
    return os.path.exists(path) and not os.access(path, os.R_OK | os.X_OK)  # noqa: PTH110


def _owner(path: Path) -> str:
    """Its name, or its number where it has none."""
    try:
        uid = path.lstat().st_uid
        return pwd.getpwuid(uid).pw_name
    except OSError:
        return "root"
    except KeyError:
        return f"#{uid}"
