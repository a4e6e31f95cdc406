"""``python no_links.py PROGRAM …``: run a program, and all that it starts, where no hard link can be made.

The kernel refuses link(2) and linkat(2) with EPERM, as it does on a file system that has none: by a seccomp filter, so
that every process of a command meets it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

LINKS = {"x86_64": (86, 265), "aarch64": (37,)}
"""The numbers of link and linkat."""
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_links() -> None:
    """From now on, in this process and its children. Raises OSError, and KeyError on another kind of machine."""
    numbers = LINKS[platform.machine()]
    steps = [(_LOAD, 0, 0, 0)]
    steps += [(_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE | errno.EPERM)]
    program = _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    for asked in ((_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program))):
        if libc.prctl(*asked):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse_links()
    os.execv(sys.argv[1], sys.argv[1:])
