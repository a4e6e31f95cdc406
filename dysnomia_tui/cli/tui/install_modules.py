"""``dysnomia-tui install-modules DIR``: what bash Dysnomia, Disnix and modules written for Dysnomia call of ours."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from dysnomia_base.python_child import python_child
from dysnomia_base.whole_file import in_place_of
from dysnomia_tui.cli.shared.output import say, write_json, write_line
from dysnomia_tui.cli.shared.parser import Usage
from dysnomia_tui.engine.errors import EngineError, Exit

UTIL = Path(__file__).parents[2] / "share" / "dysnomia" / "util"
"""The functions that modules source, as they are installed with the program."""
_SHIM = """\
#!/bin/sh
{mark}
# Made by: dysnomia-tui install-modules. Called as MODULE ACTIVITY COMPONENT CONTAINER, with the container's properties
# and DYSNOMIA_STATEDIR in the environment.
case "$1" in
    shell) # bash Dysnomia sources its module for this one
        printf '%s\\n' {hint} >&2
        ;;
    *)
        exec {program} {type} "$@"
        ;;
esac
"""


def install_modules(args: argparse.Namespace) -> int:
    """Write ``DIR/libexec/dysnomia/TYPE`` for every type of ours, and ``DIR/share/dysnomia/util``.

    What another program put there stays, and is said. Raises Usage, OSError.
    """
    from dysnomia_plugins.loading.external import OURS
    from dysnomia_plugins.loading.registry import Registry

    prefix = Path(os.path.abspath(args.folder))  # noqa: PTH100 (links in a prefix stay)
    if prefix.exists() and not prefix.is_dir():
        raise Usage(f"{prefix} is not a folder", "name a prefix, such as /usr/local")
    written, kept = [], []
    files = {prefix / "share" / "dysnomia" / "util": (UTIL.read_text("utf-8"), 0o644, "# Functions for modules in")}
    for name in Registry().types():
        files[prefix / "libexec" / "dysnomia" / name] = (shim(name), 0o755, OURS.decode())
    for path, (text, mode, mark) in files.items():
        if path.is_symlink() or (path.exists() and mark not in path.read_text("utf-8", "replace")[:512]):
            kept.append(path)
            say(f"WARNING: {path} belongs to another program and was left as it is")
            continue
        _write(path, text, mode)
        written.append(path)
    if args.json:
        write_json({"written": written, "kept": kept})
    else:
        for path in written:
            write_line(str(path))
    return Exit.PARTLY if kept else Exit.OK


def shim(type_name: str) -> str:
    """The executable of a type."""
    from dysnomia_plugins.loading.external import OURS

    return _SHIM.format(
        mark=OURS.decode(),
        type=shlex.quote(type_name),
        hint=shlex.quote(f"This is a shell session on a component of type {type_name}."),
        program=f"{shlex.join(_program())} module",
    )


def _program() -> list[str]:
    """How to call this very program from anywhere: its script, which may set more up than the interpreter does."""
    script = Path(os.path.abspath(sys.argv[0]))  # noqa: PTH100 (a link in a profile stays one)
    if script.name == "dysnomia-tui" and os.access(script, os.X_OK):
        return [str(script)]
    return python_child("dysnomia_tui.cli.tui.command")


def _write(path: Path, text: str, mode: int) -> None:
    """A whole file in place of one of ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with in_place_of(path, durable=False) as file:
            os.fchmod(file.fileno(), mode)
            file.write(text.encode())
    except OSError as error:
        failed = EngineError(f"{path} cannot be written: {error.strerror}", "name a folder that you may write")
        failed.exit = Exit.REFUSED
        raise failed from error
