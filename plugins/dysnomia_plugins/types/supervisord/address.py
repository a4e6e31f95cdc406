"""Where supervisord is reached: ``[supervisorctl]`` of its configuration, in the files where its client looks.

``serverurl`` (``unix:///run/supervisor.sock``, ``http://localhost:9001``), ``username``, ``password``. Of the
expansions that it knows, ``%(here)s`` (the file's folder), ``%(ENV_x)s`` and ``%%`` (a percent sign) are read.
Source: "Configuration File" of Supervisor 4.2.

Where there is no such file, it is reached at its client's own default, as by Dysnomia's module: a supervisord that was
started with a file elsewhere may well listen there. A client that finds no file is told no password.
"""

from __future__ import annotations

import base64
import configparser
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from dysnomia_base.ownership import refusal
from dysnomia_plugins.errors import NotSafe, PluginError

FILES = (Path("/etc/supervisord.conf"), Path("/etc/supervisor/supervisord.conf"))
DEFAULT = "http://localhost:9001"
_EXPANDED = re.compile(r"%(?:(%)|\((here|ENV_(\w+))\)s)")


@dataclass(frozen=True, slots=True)
class Address:
    """A socket in the file system (``path``), or a port."""

    shown: str
    """For messages: no password."""
    path: str = ""
    host: str = ""
    port: int = 0
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    hint: str = "start it"
    """What to do where nothing answers."""
    user: str = ""
    """Whom supervisord becomes (``user`` of ``[supervisord]``)."""


def address(files: Sequence[Path] = FILES) -> Address:
    """What the first of the files says that is there; the client's default where there is none.

    Raises NotSafe where others may write it, PluginError where it cannot be read."""
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        shown = " or ".join(map(str, files))
        hint = f"start it; if it listens elsewhere, link its configuration to {shown}"
        return replace(_parsed({}), hint=hint)
    refused = refusal(file)
    if refused:
        raise NotSafe(refused, "give it to root (chown, chmod go-w)")
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
    try:
        parser.read(file, encoding="utf-8")
        values = dict(parser.items("supervisorctl")) if parser.has_section("supervisorctl") else {}
        reached = _parsed({name: _expanded(value, file) for name, value in values.items()})
        return replace(reached, user=parser.get("supervisord", "user", fallback=""))
    except (configparser.Error, ValueError, OSError):  # their words may hold a line with a password
        raise PluginError(f"[supervisorctl] in {file} cannot be read", "see its serverurl") from None


def _parsed(values: dict[str, str]) -> Address:
    """Raises ValueError for what is no address."""
    given = values.get("serverurl") or DEFAULT
    url = urlsplit(given)
    user, password = values.get("username", ""), values.get("password", "")
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = [("Authorization", f"Basic {token}")] if user else []
    if url.scheme == "unix":
        if not url.path.startswith("/"):
            raise ValueError
        return Address(f"unix://{url.path}", path=url.path, headers=headers)
    if url.scheme != "http" or not url.hostname:
        raise ValueError
    port = url.port or 80
    return Address(f"http://{url.hostname}:{port}", host=url.hostname, port=port, headers=headers)


def _expanded(value: str, file: Path) -> str:
    def word(match: re.Match[str]) -> str:
        if match[1]:
            return "%"
        return str(file.parent) if match[2] == "here" else os.environ.get(match[3], "")

    return _EXPANDED.sub(word, value)
