"""What an operator sees of a bug: one line and the name of a file, never a traceback over the terminal."""

from __future__ import annotations

import os
import tempfile
import traceback

from dysnomia_tui.app.present.text import visible


def report(error: BaseException | None) -> str:
    """Write the traceback (without the values of variables: they may be secrets) to a private file.

    Returns what to tell the operator.
    """
    what = visible(f"{type(error).__name__}: {error}") if error is not None else "unknown"
    lines = traceback.format_exception(error) if error is not None else []
    try:
        descriptor, path = tempfile.mkstemp(prefix="dysnomia-tui-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(lines)
    except OSError as problem:
        path = f"(no report: {problem.strerror})"
    return (
        f"dysnomia-tui: internal error ({what}); jobs go on, nothing was undone.\n"
        f"dysnomia-tui: what happened is in {path}; open it again to go on"
    )
