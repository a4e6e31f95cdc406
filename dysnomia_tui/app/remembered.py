"""What the operator chose on the screen and finds again at the next start: a file of their own, in no store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dysnomia_base.ownership import may_be_made
from dysnomia_base.whole_file import in_place_of
from dysnomia_tui.config.load import home_folder

LONGEST = 100
"""Characters of a name that is read."""


def state_folder(environ: Mapping[str, str]) -> Path:
    """``$XDG_STATE_HOME/dysnomia-tui``, by default below ``~/.local/state``; as root never in another's home."""
    given = environ.get("XDG_STATE_HOME", "")
    if given.startswith("/") and may_be_made(given):
        return Path(given) / "dysnomia-tui"
    return home_folder(environ) / ".local" / "state" / "dysnomia-tui"


class Remembered:
    """One word a file. Without a folder nothing is read or kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def read(self, name: str) -> str:
        """What was kept; ``""`` where nothing was, or it cannot be read."""
        if self._folder is None:
            return ""
        try:
            with (self._folder / name).open(encoding="utf-8") as file:
                return file.read(LONGEST).strip()
        except (OSError, ValueError):
            return ""

    def keep(self, name: str, value: str) -> None:
        """Keep a word; ``""`` forgets it. Raises OSError."""
        if self._folder is None:
            return
        path = self._folder / name
        if not value:
            path.unlink(missing_ok=True)
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with in_place_of(path, durable=False) as file:
            file.write(f"{value}\n".encode())
