"""The terminal around the app: what it cannot do, the clipboard through tmux and screen, the demo."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Mapping

from dysnomia_base.environment import child_environment
from dysnomia_base.python_child import python_child

CLIPBOARD_LIMIT = 74_994
"""Bytes of base64 that terminals take in one OSC 52 sequence."""


def refuse(environ: Mapping[str, str]) -> bool:
    """Say in one line why this terminal cannot show the app, and return True; False where it can."""
    reason = ""
    # The screen is drawn on standard error (as Textual does), the keys come from standard input.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        reason = "there is no terminal to show it on; the commands work without one (dysnomia-snapshots --help)"
    elif environ.get("TERM", "") in ("", "dumb", "unknown"):
        reason = f"a terminal of type {environ.get('TERM') or 'unknown'!r} cannot show it; set TERM (xterm-256color)"
    if reason:
        print(f"dysnomia-tui: {reason}", file=sys.stderr)
    return bool(reason)


def osc52(text: str, environ: Mapping[str, str]) -> str | None:
    """The escape sequence that puts ``text`` on the clipboard of the terminal one sits at, wrapped for tmux or
    screen; None where it is longer than terminals take."""
    encoded = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")
    if len(encoded) > CLIPBOARD_LIMIT:
        return None
    sequence = f"\x1b]52;c;{encoded}\x07"
    if environ.get("TMUX"):
        # Passed on as it is where allow-passthrough is on; tmux's own set-clipboard takes the bare one.
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return f"{sequence}\x1bPtmux;{doubled}\x1b\\"
    if environ.get("TERM", "").startswith("screen"):
        return f"\x1bP{sequence}\x1b\\"
    return sequence


def run_demo() -> int:
    """Open the demo in this terminal; its exit code."""
    argv = python_child("dysnomia_tui.cli.tui.command", "main()", "demo")
    return subprocess.run(argv, check=False, cwd="/", env=child_environment(os.environ)).returncode
