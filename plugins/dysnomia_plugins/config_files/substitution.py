"""What bash computes for a property file: ``$(…)``, ``$NAME`` and the like.

Only files that nobody else may write are read at all (``dysnomia_base.ownership``): running their text gives nobody
anything they did not have. bash has our environment less what may not reach a child, nothing on standard input, and a
time limit; output loses its trailing newlines, as in bash. The text is in no argv, which anybody may read: it can hold
a password (``$(mkpasswd secret)``), and its file need not be readable to others.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from dysnomia_base.children import kill_group
from dysnomia_base.environment import child_environment

TIME_LIMIT = 5.0
"""Seconds for one substitution."""
OUTPUT_LIMIT = 64 * 1024
_EVALUATED = 'eval "$(</dev/fd/%d)" %d<&-'
"""What bash is given: the text comes by a descriptor, which nothing that the text runs has open."""


def run(command: str, time_limit: float = TIME_LIMIT, variables: Mapping[str, str] | None = None) -> str:
    """Run bash on the text, as ``$(text)`` does.

    Args:
        variables: what it knows besides our environment.

    Raises ValueError with the reason: a status, the time limit, too much output, no bash."""
    try:
        text = _held(os.fsencode(command))
    except OSError as error:
        raise ValueError(f"its text cannot be handed to bash ({error.strerror})") from None
    try:
        child = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", _EVALUATED % (text, text)], pass_fds=(text,),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            env={**child_environment(os.environ), "LC_ALL": "C.UTF-8", **(variables or {})},
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise ValueError(f"bash cannot be started ({error.strerror})") from None
    finally:
        os.close(text)
    with child:
        try:
            output, errors = child.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            raise ValueError(f"not done within {time_limit:g} s") from None
        finally:
            kill_group(child.pid)
    if child.returncode != 0:
        last = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
        raise ValueError(f"ended with status {child.returncode}" + (f" ({last[0]})" if last[0] else ""))
    if len(output) > OUTPUT_LIMIT or b"\0" in output:
        raise ValueError("its output is not text, or is too long")
    return output.decode("utf-8", "surrogateescape").rstrip("\n")


def _held(text: bytes) -> int:
    """A descriptor from which a text can be read that is nowhere on a disk. Raises OSError."""
    descriptor = os.memfd_create("text", os.MFD_CLOEXEC)
    try:
        while text:
            text = text[os.write(descriptor, text) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
