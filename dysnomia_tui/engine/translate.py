"""Errors of the store and of plugins, as the engine's: each with its exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dysnomia_base.exit_codes import of_os_error
from dysnomia_base.limits import in_words
from dysnomia_plugins import errors as plugin
from dysnomia_store import errors as store
from dysnomia_tui.engine.errors import EngineError, Exit

STORE_EXITS: tuple[tuple[type[store.StoreError], Exit], ...] = (
    (store.NameRejected, Exit.USAGE),
    (store.NotFound, Exit.NOT_FOUND),
    (store.Locked, Exit.LOCKED),
    (store.NewerFormat, Exit.REFUSED),
    (store.Corrupt, Exit.CORRUPT),
    (store.Incomplete, Exit.CORRUPT),
    (store.StoreFull, Exit.NO_SPACE),
    (store.NotPermitted, Exit.REFUSED),
    (store.Refused, Exit.REFUSED),
)
_EXITS: tuple[tuple[type[Exception], Exit], ...] = (
    (plugin.Cancelled, Exit.CANCELLED),
    (plugin.ServerDown, Exit.UNAVAILABLE),
    (plugin.WrongCredentials, Exit.UNAVAILABLE),
    (plugin.ToolMissing, Exit.UNAVAILABLE),
    (plugin.NotSafe, Exit.REFUSED),
    (plugin.Unsupported, Exit.REFUSED),
    (plugin.BadProperties, Exit.USAGE),
    (plugin.Truncated, Exit.FAILED),
    *STORE_EXITS,
)

Expected = (EngineError, plugin.PluginError, store.StoreError, OSError)
"""What may go wrong in a job without being a mistake of ours."""


def exit_of(error: Exception) -> Exit:
    """The exit code an error stands for."""
    if isinstance(error, EngineError):
        return error.exit
    if isinstance(error, OSError):
        return Exit(of_os_error(error))
    code = next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.FAILED)
    if code is Exit.FAILED and isinstance(error.__cause__, OSError) and exit_of(error.__cause__) is Exit.NO_SPACE:
        return Exit.NO_SPACE  # a type has said in its own words where there is none
    return code


def words_of(error: Exception) -> tuple[str, str]:
    """Message and hint of an error."""
    if isinstance(error, (EngineError, plugin.PluginError, store.StoreError)):
        return error.message, error.hint
    if isinstance(error, OSError):
        return in_words(error), ""
    return str(error), ""


def as_reply(error: Exception, clean: Callable[[str], str]) -> Mapping[str, Any]:
    """An error as a child process that was asked answers with it; ``clean`` takes secrets out of its words."""
    message, hint = map(clean, words_of(error))
    return {"error": message, "hint": hint, "exit": int(exit_of(error))}


def as_engine_error(error: Exception) -> EngineError:
    """The same error as an ``EngineError``."""
    if isinstance(error, EngineError):
        return error
    message, hint = words_of(error)
    made = EngineError(message, hint)
    made.exit = exit_of(error)
    return made


@contextmanager
def translated() -> Iterator[None]:
    """Raise errors of the layers below as EngineError."""
    try:
        yield
    except (plugin.PluginError, store.StoreError, OSError) as error:
        raise as_engine_error(error) from error
