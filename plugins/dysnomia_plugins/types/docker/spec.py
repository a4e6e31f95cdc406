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
from collections.abc import Sequence
from dataclasses import dataclass
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
_OPTIONS = ("-e", "--env")
_OF_THE_CLIENT = re.compile(
    r"PATH|HOME|LC_ALL|LANG|TMPDIR|(DOCKER|XDG|CONTAINER|CONTAINERS|GODEBUG|LD)(_.*)?|.*_PROXY", re.I
)


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What a component is made of."""

    name: str
    image: str
    """The archive; ``""`` where the image is there already."""
    tag: str
    parameters: tuple[str, ...]
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

    def created(self, label: str) -> tuple[list[str], dict[str, str]]:
        """The words that create the container with a label (``name=value``) of ours, and the variables they name:
        values of variables are in no command line, where every user of the machine could read them."""
        words, variables = _without_values(self.parameters)
        return ["create", *words, "--label", label, "--name", self.name, self.tag], variables


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


def _without_values(parameters: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """``--env NAME=value`` as ``--env NAME``, which the client looks up among its own variables. What the client itself
    would obey stays as it is."""
    words: list[str] = []
    variables: dict[str, str] = {}
    option = ""
    for word in parameters:
        prefix = "--env=" if word.startswith("--env=") else ""
        name, given, value = word.removeprefix(prefix).partition("=")
        is_variable = bool(given) and (bool(prefix) or option in _OPTIONS)
        if is_variable and _may_be_set(name) and variables.setdefault(name, value) == value:
            words.append(prefix + name)
        else:
            words.append(word)
        option = word
    return words, variables


def _may_be_set(name: str) -> bool:
    return _VARIABLE.fullmatch(name) is not None and _OF_THE_CLIENT.fullmatch(name) is None
