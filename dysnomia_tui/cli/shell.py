"""``dysnomia --shell``: bash with the container's properties, the type's hints, and a prompt that shows where one is.

What the shell reads first comes by an anonymous descriptor, values by the environment: nothing is left on disk, and no
secret is on a command line.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn

from dysnomia_base.environment import child_environment
from dysnomia_tui.engine.errors import Unknown

if TYPE_CHECKING:
    from dysnomia_tui.engine import Session

ROOTS, OTHERS = "1;31", "1;32"
"""Colours of the prompt."""


def run_shell(session: Session, command: str) -> NoReturn:
    """Become the shell; with a ``command``, one that ends with it and with its status. Raises Unknown without bash."""
    environment = {**child_environment(os.environ), **session.environment}
    interactive = not command and sys.stdin.isatty()
    fd = os.memfd_create("dysnomia-shell", 0)
    os.set_inheritable(fd, True)
    text = "\n".join((f"exec {fd}<&-", *beginning(session, environment, interactive=interactive)))
    if command:
        text += f"\n{command}"
    os.write(fd, (text + "\n").encode("utf-8", "surrogateescape"))
    script = f"/dev/fd/{fd}"
    if interactive:
        argv = ["bash", "--rcfile", script, "-i"]
    elif command:
        argv = ["bash", "--noprofile", "--norc", script]
    else:
        argv = ["bash", "--noprofile", "--norc", "-s"]
        environment["BASH_ENV"] = script
    sys.stdout.flush()
    try:
        os.execvpe(argv[0], argv, environment)
    except FileNotFoundError:
        raise Unknown("bash is not installed") from None


def beginning(session: Session, environ: Mapping[str, str], *, interactive: bool) -> Iterator[str]:
    """What the shell reads first, a line each."""
    yield "unset BASH_ENV"
    if interactive:
        yield "[ -e ~/.bashrc ] && . ~/.bashrc"
    for name, values in session.arrays.items():
        # Exported it is what a child can be given, joined; in the shell itself it is the array.
        yield f"unset {name}; {name}=({' '.join(map(shlex.quote, values))})"
    module = shlex.join(session.module)
    if module:
        yield f". {module}" if session.sourced else module
    yield "set +e"
    for line in _words(session):
        yield f"printf '%s\\n' {shlex.quote(line)} >&2"
    if interactive:
        colour = ROOTS if os.geteuid() == 0 else OTHERS
        begin, end = ("", "") if environ.get("NO_COLOR") else (rf"\[\e[{colour}m\]", r"\[\e[0m\]")
        # By a variable: nothing in a name is a prompt's escape.
        yield f"this_prompt={shlex.quote(str(session.key))}"
        yield f"PS1='\\n{begin}[dysnomia ${{this_prompt}}:\\w]\\${end} '"


def _words(session: Session) -> Iterator[str]:
    yield from session.hints
    yield ""
    yield "this_component         the folder or file of the component"
    yield "this_container         its container"
    yield "this_dysnomia_module   the module, or the type"
