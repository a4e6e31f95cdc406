"""What a component of the type ``docker-container`` says: as Dysnomia reads it.

``*-docker-settings`` is one file of ``key=value`` lines: ``dockerImage`` (an archive that ``docker load`` reads),
``dockerImageTag`` (the name of the image in it), ``dockerStopTimeout`` (seconds, 1), ``dockerStatelessDeployment`` (1:
deactivating removes the container, and the image where nothing else uses it; else both stay and are garbage).
``*-docker-createparams`` are lines, each of them one word for ``docker create``.

Source: ``dysnomia-modules/docker-container.in`` of Dysnomia 0.10.2. As there, the container is called
``dysnomia-<component>`` whatever ``dockerContainerName`` says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from dysnomia_base.ownership import refusal
from dysnomia_plugins.base import Component
from dysnomia_plugins.config_files.properties import read_properties
from dysnomia_plugins.errors import BadProperties, NotSafe, PluginError
from dysnomia_plugins.interface.context import single
from dysnomia_plugins.toolkit.deployment import names_in

SETTINGS, PARAMETERS = "-docker-settings", "-docker-createparams"
_TAG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_./:@-]*", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SHORT = re.compile(r"(-[diPqt]*)e=?(.*)", re.ASCII | re.DOTALL)
"""``-e`` as the client reads it: after options that take no value, and with its own in the same word or the next."""
_OF_THE_CLIENT = re.compile(
    r"PATH|HOME|LC_ALL|LANG|TMPDIR|(DOCKER|XDG|CONTAINER|CONTAINERS|GODEBUG|LD)(_.*)?|.*_PROXY", re.I
)


@dataclass(frozen=True, slots=True)
class Creation:
    """How the client is called so that it creates a container: no value of a variable is a word, which every user of
    the machine could read."""

    words: tuple[str, ...] = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    """For the client's environment, where it looks up those that the words name."""
    lines: bytes = field(repr=False)
    """For its standard input: the variables that the client itself would obey, or that no shell could set."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What a component is made of."""

    name: str
    image: str
    """The archive; ``""`` where the image is there already."""
    tag: str
    parameters: tuple[str, ...] = field(repr=False)
    """Words for ``docker create``. They may hold secrets."""
    timeout: int
    stateless: bool

    @classmethod
    def of(cls, component: Component) -> Self:
        """Raises PluginError where something is missing or makes no sense, NotSafe where others may write it."""
        names = names_in(component, component.path, f"*{SETTINGS}", "put it there, with dockerImage and dockerImageTag")
        settings = [name for name in names if name.endswith(SETTINGS)]
        if len(settings) != 1:
            what = f"several ({', '.join(settings)})" if settings else "none"
            raise PluginError(
                f"{component.key} must have one file *{SETTINGS}, and has {what}", f"see {component.path}"
            )
        values = read_properties(component.path / settings[0])
        tag, image = single(values, "dockerImageTag"), single(values, "dockerImage")
        if _TAG.fullmatch(tag) is None:
            raise BadProperties(
                f"dockerImageTag in {component.path / settings[0]} is not the name of an image ({tag!r})",
                "write it as name:tag",
            )
        lines = [
            line
            for name in names
            if name.endswith(PARAMETERS)
            for line in _text(component.path / name).split("\n")
            if line
        ]
        return cls(
            name=f"dysnomia-{component.key.component}",
            image=_archive(component, image),
            tag=tag,
            parameters=tuple(lines),
            timeout=_seconds(component, single(values, "dockerStopTimeout", "1")),
            stateless=single(values, "dockerStatelessDeployment", "1") == "1",
        )

    def created(self, label: str) -> Creation:
        """How the container is created, with a label (``name=value``) of ours. Raises BadProperties."""
        rest, given = _without_variables(self.parameters)
        looked_up = {name: value for name, value in given.items() if value is not None and _may_be_set(name)}
        named = [name for name, value in given.items() if value is None or name in looked_up]
        lines = b"".join(
            _line(name, value) for name, value in given.items() if value is not None and name not in looked_up
        )
        words = [*rest, *(word for name in named for word in ("--env", name))]
        words += ["--env-file", "/dev/stdin"] if lines else []
        words += ["--label", label, "--name", self.name, self.tag]
        return Creation(("create", *words), looked_up, lines)


def _archive(component: Component, image: str) -> str:
    if not image:
        return ""
    path = component.path.absolute() / image
    refused = refusal(path)
    if refused:
        raise NotSafe(refused, "give it to root (chown, chmod go-w), or to the user who calls")
    return str(path)


def _text(path: Path) -> str:
    refused = refusal(path)
    if refused:
        raise NotSafe(refused, "give it to root (chown, chmod go-w), or to the user who calls")
    try:
        return os.fsdecode(path.read_bytes())
    except OSError as error:
        raise PluginError(f"{path} cannot be read ({error.strerror})", "see its permissions") from error


def _seconds(component: Component, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 3600:
        raise BadProperties(f"{component.key}: dockerStopTimeout is not a number of seconds ({text})", "up to 3600")
    return int(text)


def _without_variables(parameters: Sequence[str]) -> tuple[list[str], dict[str, str | None]]:
    """What is left without ``--env`` in all its forms, and the variables; None is the value of one that is only named.
    As for the client, the last of a name counts."""
    words: list[str] = []
    given: dict[str, str | None] = {}
    rest = iter(parameters)
    for word in rest:
        long, short = word == "--env" or word.startswith("--env="), _SHORT.fullmatch(word)
        if not long and short is None:
            words.append(word)
            continue
        text = word.removeprefix("--env").removeprefix("=") if short is None else short[2]
        if not text and not word.endswith("="):
            text = next(rest, "")
        if short is not None and short[1] != "-":
            words.append(short[1])
        name, has_value, value = text.partition("=")
        given.pop(name, None)
        given[name] = value if has_value else None
    return words, given


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


def _may_be_set(name: str) -> bool:
    return _VARIABLE.fullmatch(name) is not None and _OF_THE_CLIENT.fullmatch(name) is None
