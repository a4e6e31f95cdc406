"""What the limits of a process (``ulimit``) have to do with an error of the operating system."""

from __future__ import annotations

import errno
import os


def at_file(error: OSError) -> str:
    """``FILE: `` where it is known at which file it went wrong, else ``""``."""
    return f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""


def in_words(error: OSError) -> str:
    """At which file it went wrong, and what."""
    return f"{at_file(error)}{reason(error)}"


def reason(error: OSError) -> str:
    """What went wrong, in the system's words, and the limit that is behind it: else a full disk is looked for."""
    words = error.strerror or str(error)
    if error.errno == errno.EMFILE:  # how many it may open is not looked up: a module could not be imported now
        return f"{words}: this process may open no more (ulimit -n)"
    if error.errno != errno.EFBIG:
        return words
    import resource  # seldom needed

    size = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if size == resource.RLIM_INFINITY:
        return words
    return f"{words}: this process may write files of {size:,} bytes at most (ulimit -f)"
