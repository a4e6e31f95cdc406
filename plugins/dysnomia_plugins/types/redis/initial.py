"""The initial state of a component: one RDB file, or files of commands as one would type them into redis-cli."""

from __future__ import annotations

from pathlib import Path

from dysnomia_plugins.base import CancelToken, Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.redis.resp import Connection, Refused

FOLDER = "redis-databases"
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "a": b"\a"}


def dump_file(component: Component) -> Path | None:
    """The RDB file a component begins with. Raises PluginError where there are several."""
    files = component.initial_files(FOLDER, "*.rdb")
    if len(files) > 1:
        raise PluginError(
            f"{component.path / FOLDER} holds {len(files)} RDB files", "leave one: a server loads only one file"
        )
    return files[0] if files else None


def command_files(component: Component) -> list[Path]:
    """The files of commands, in the order of their names; they come after the RDB file."""
    return component.initial_files(FOLDER, "*.redis")


def run_file(connection: Connection, path: Path, cancel: CancelToken) -> None:
    """Give a server the commands of a file. Raises PluginError naming the line that failed."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            cancel.check()
            text = line.decode("utf-8", "surrogateescape").strip()
            if not text or text.startswith("#"):
                continue
            try:
                connection.call(*split(text))
            except (Refused, ValueError) as error:
                reason = error.message if isinstance(error, Refused) else str(error)
                raise PluginError(f"line {number} of {path} failed ({reason})", "nothing was changed") from None


def split(line: str) -> list[bytes]:
    """The words of a command as redis-cli splits them: ``"…"`` with escapes, ``'…'`` without.

    Raises ValueError for quotes that are not closed."""
    words: list[bytes] = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
        else:
            word, at = _word(line, at)
            words.append(word)
    return words


def _word(line: str, at: int) -> tuple[bytes, int]:
    word = b""
    while at < len(line) and not line[at].isspace():
        if line[at] in "\"'":
            piece, at = _quoted(line, at)
            if at < len(line) and not line[at].isspace():
                raise ValueError("unexpected character after a closing quote")
            word += piece
        else:
            word += _bytes(line[at])
            at += 1
    return word, at


def _quoted(line: str, at: int) -> tuple[bytes, int]:
    quote, at = line[at], at + 1
    piece = b""
    while at < len(line):
        char = line[at]
        if char == quote:
            return piece, at + 1
        if char == "\\" and quote == '"' and at + 1 < len(line):
            piece, at = piece + _escaped(line, at), at + (4 if _is_hex(line, at) else 2)
        elif char == "\\" and line[at + 1 : at + 2] == "'":
            piece, at = piece + b"'", at + 2
        else:
            piece, at = piece + _bytes(char), at + 1
    raise ValueError("missing closing quote")


def _is_hex(line: str, at: int) -> bool:
    digits = line[at + 2 : at + 4]
    return line[at + 1] == "x" and len(digits) == 2 and all(one in "0123456789abcdefABCDEF" for one in digits)


def _escaped(line: str, at: int) -> bytes:
    if _is_hex(line, at):
        return bytes.fromhex(line[at + 2 : at + 4])
    return _ESCAPES.get(line[at + 1]) or _bytes(line[at + 1])


def _bytes(char: str) -> bytes:
    return char.encode("utf-8", "surrogateescape")
