"""Where what a job puts beside live stands, for types whose server has no room for it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def folder_of_copies(for_root: str, below_home: str) -> str:
    """The one that counts where none is configured: for root, or below the caller's home; for root too where the
    caller is nobody that is known."""
    if os.geteuid() == 0:
        return for_root
    try:
        return str(Path(pwd.getpwuid(os.geteuid()).pw_dir) / below_home)
    except KeyError:
        return for_root
