"""How the client is called so that it creates a container: no value of a variable or label is a word, which every user
of the machine could read while it runs. Docker takes variables from its environment and a file, labels from a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from dysnomia_base.secrets import is_secret, shown
from dysnomia_plugins.errors import BadProperties

PARAMETERS = "-docker-createparams"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NAME = re.compile(r"([A-Za-z0-9_.-]+)=")
_OF_THE_CLIENT = re.compile(
    r"PATH|HOME|LC_ALL|LANG|TMPDIR|(DOCKER|XDG|CONTAINER|CONTAINERS|GODEBUG|LD)(_.*)?|.*_PROXY", re.I
)
_LONGEST = 60 << 10
"""Bytes of a line that the client reads of a file: it takes none of 64 KiB."""
LABELS = "--label-file"


@dataclass(frozen=True, slots=True)
class Creation:
    """What the client is given."""

    words: tuple[str, ...] = field(repr=False)
    last: tuple[str, ...]
    """Words after them."""
    variables: Mapping[str, str] = field(repr=False)
    """For the client's environment, where it looks up those that the words name."""
    lines: bytes = field(repr=False)
    """For its standard input: the variables that the client itself would obey, or that no shell could set."""
    labels: bytes = field(repr=False)
    """For the file of labels, which the words do not name."""
    readable: tuple[str, ...]
    """Names of what is a word with its value all the same, where it may be a secret."""

    @classmethod
    def of(cls, parameters: Sequence[str], labels: Sequence[str], last: Sequence[str]) -> Self:
        """Raises BadProperties.

        Args:
            parameters: as an operator writes them.
            labels: more of them, ``name=value``, which count.
            last: words that come last."""
        rest, variables = _taken_out(parameters, "env", "e")
        given = _last_of_each(variables)
        rest, their_labels = _taken_out(rest, "label", "l")
        looked_up = {name: value for name, value in given.items() if value is not None and _may_be_set(name)}
        named = [name for name, value in given.items() if value is None or name in looked_up]
        lines = b"".join(
            _line(name, value) for name, value in given.items() if value is not None and name not in looked_up
        )
        in_file = [text for text in their_labels if _fits(text)]
        others = [text for text in their_labels if text not in in_file]
        words = [*rest, *(word for name in named for word in ("--env", name))]
        words += [word for text in (*others, *labels) for word in ("--label", text)]
        words += ["--env-file", "/dev/stdin"] if lines else []
        return cls(
            ("create", *words),
            tuple(last),
            looked_up,
            lines,
            b"".join(f"{text}\n".encode() for text in in_file),
            tuple(dict.fromkeys([*_secrets(rest), *(text.partition("=")[0] for text in others if "=" in text)])),
        )

    @contextmanager
    def command(self) -> Iterator[tuple[str, ...]]:
        """The words for the client, for as long as it can read the labels: from memory of this process, which others
        than its user and root cannot open."""
        if not self.labels:
            yield (*self.words, *self.last)
            return
        with os.fdopen(os.memfd_create("labels"), "w+b") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(self.labels)
            file.flush()
            own = (LABELS, f"/proc/{os.getpid()}/fd/{file.fileno()}")  # the last file of labels counts
            yield (*self.words, *own, *self.last)


def _taken_out(parameters: Sequence[str], long: str, short: str) -> tuple[list[str], list[str]]:
    """What is left without an option in all its forms, and its values.

    ``-e`` is read as the client does: after options that take no value, and with its own in the same word or the next.
    """
    words: list[str] = []
    values: list[str] = []
    together = re.compile(rf"(-[diPqt]*){short}=?(.*)", re.ASCII | re.DOTALL)
    rest = iter(parameters)
    for word in rest:
        is_long, matched = word == f"--{long}" or word.startswith(f"--{long}="), together.fullmatch(word)
        if not is_long and matched is None:
            words.append(word)
            continue
        text = word.removeprefix(f"--{long}").removeprefix("=") if matched is None else matched[2]
        if not text and not word.endswith("="):
            text = next(rest, "")
        if matched is not None and matched[1] != "-":
            words.append(matched[1])
        values.append(text)
    return words, values


def _last_of_each(values: Sequence[str]) -> dict[str, str | None]:
    """Variables; None is the value of one that is only named. As for the client, the last of a name counts."""
    given: dict[str, str | None] = {}
    for text in values:
        name, has_value, value = text.partition("=")
        given.pop(name, None)
        given[name] = value if has_value else None
    return given


def _line(name: str, value: str) -> bytes:
    """Of a file of variables, as the client reads one. Raises BadProperties for what it would read as another."""
    if not name or name.startswith("#") or any(char.isspace() for char in name) or value.endswith("\r"):
        raise BadProperties(f"Docker cannot be given the variable {name!r}", f"correct --env in *{PARAMETERS}")
    try:
        return f"{name}={value}\n".encode()
    except UnicodeEncodeError:
        raise BadProperties(
            f"the variable {name!r} is not UTF-8, and Docker takes no other", f"correct --env in *{PARAMETERS}"
        ) from None


def _fits(label: str) -> bool:
    """Whether the client would read a label of a file as it is."""
    name, has_value, _ = label.partition("=")
    if not has_value or not name or name.startswith("#") or any(char.isspace() for char in name):
        return False
    try:
        return len(label.encode()) < _LONGEST and not label.endswith("\r")
    except UnicodeEncodeError:
        return False


def _may_be_set(name: str) -> bool:
    return _VARIABLE.fullmatch(name) is not None and _OF_THE_CLIENT.fullmatch(name) is None


def _secrets(words: Sequence[str]) -> Iterator[str]:
    """What is called as a secret (of ``--log-opt``, ``--mount``…), or is an address with a password."""
    for before, word in zip(("", *words), words, strict=False):
        named = [name for name in _NAME.findall(word) if is_secret(name)]
        yield from named
        if not named and shown("", word) != word:
            yield word.partition("=")[0] if word.startswith("--") else before
