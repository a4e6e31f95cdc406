"""An error of the operating system ends a command and a job with the same code, whichever layer met it."""

from __future__ import annotations

import errno

import pytest

from dysnomia_store.disk.syscalls import as_store_error
from dysnomia_tui.cli.shared import parser
from dysnomia_tui.engine import translate
from dysnomia_tui.engine.errors import Exit


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOENT, Exit.NOT_FOUND),
        (errno.EACCES, Exit.REFUSED),
        (errno.EPERM, Exit.REFUSED),
        (errno.EROFS, Exit.REFUSED),
        (errno.ENOSPC, Exit.NO_SPACE),
        (errno.EDQUOT, Exit.NO_SPACE),
        (errno.EIO, Exit.FAILED),
        (None, Exit.FAILED),
    ],
)
def test_there_is_one_table(number: int | None, code: Exit) -> None:
    error = OSError("no number") if number is None else OSError(number, "why", "/the/path")
    in_words = as_store_error(error, "doing this")
    assert [parser.exit_of(error), parser.exit_of(in_words)] == [code, code]
    assert [translate.exit_of(error), translate.exit_of(in_words)] == [code, code]
    assert translate.as_engine_error(error).exit is code
