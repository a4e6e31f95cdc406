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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from dysnomia_base.ownership import refusal
from dysnomia_plugins.base import Component
from dysnomia_plugins.config_files.properties import read_properties
from dysnomia_plugins.errors import BadProperties, NotSafe, PluginError
from dysnomia_plugins.interface.context import single
from dysnomia_plugins.toolkit.deployment import names_in
from dysnomia_plugins.types.docker.creation import PARAMETERS, Creation

SETTINGS = "-docker-settings"
_TAG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_./:@-]*", re.ASCII)


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
        return Creation.of(self.parameters, (label,), ("--name", self.name, self.tag))


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
