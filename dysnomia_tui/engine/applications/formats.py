"""Settings out of configuration files of the usual formats. Nothing in them is run; what is set and not understood is
None."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from dysnomia_tui.engine.applications.php import php_settings

Settings = Mapping[str, str | None]
_NAME = re.compile(r"[\w.-]+\Z")
_DEEPEST = 50


def read_settings(text: str, format_: str, folder: str) -> Settings:
    """What a file sets, by name: ``section.name`` in ini, ``a.b`` below mappings. ``folder``: where it is."""
    if format_ == "php":
        return php_settings(text, folder)
    return _FORMATS[format_](text)


def _ini(text: str) -> Settings:
    settings: dict[str, str | None] = {}
    section = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in ";#":
            continue
        if line.startswith("["):
            section = line[1:].partition("]")[0].strip()
            continue
        name, equals, value = line.partition("=")
        if equals:
            settings[f"{section}.{name.strip()}" if section else name.strip()] = _ini_value(value.strip())
    return settings


def _ini_value(text: str) -> str:
    for quote in ('"""', "`", '"', "'"):
        if text.startswith(quote):
            return text[len(quote) :].partition(quote)[0]
    return re.split(r"\s[;#]", text, maxsplit=1)[0].strip()


def _env(text: str) -> Settings:
    """Lines of ``NAME=value``; one that a shell would compute is not known."""
    settings: dict[str, str | None] = {}
    for raw in text.splitlines():
        name, equals, value = raw.strip().removeprefix("export ").partition("=")
        name = name.strip()
        if not equals or not _NAME.match(name):
            continue
        value = value.strip()
        if value[:1] == "'":
            settings[name] = value[1:].partition("'")[0]
            continue
        quoted = value[:1] == '"'
        value = value[1:].partition('"')[0] if quoted else re.split(r"\s#", value, maxsplit=1)[0].strip()
        settings[name] = None if set(value) & {"$", "`", "\\"} else value
    return settings


def _yaml(text: str) -> Settings:
    """Mappings of plain and quoted scalars by their indentation; lists, anchors, tags, texts of several lines and
    mappings in braces are passed over."""
    settings: dict[str, str | None] = {}
    open_: list[tuple[int, str]] = []
    block = -1
    for raw in text.splitlines():
        line = raw.expandtabs().rstrip()
        indent = len(line) - len(line.lstrip())
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if block >= 0 and indent > block:
            continue
        block = -1
        match = re.match(r"""\s*(?P<name>[\w.-]+|"[^"]*"|'[^']*')\s*:(?:\s+(?P<value>.*))?$""", line)
        while open_ and open_[-1][0] >= indent:
            open_.pop()
        if match is None or len(open_) > _DEEPEST:
            block = indent if line.lstrip().startswith("-") else block
            continue
        name = ".".join([*(one for _, one in open_), match["name"].strip("\"'")])
        value = (match["value"] or "").strip()
        if not value or value.startswith("#"):
            open_.append((indent, match["name"].strip("\"'")))
        elif value[0] in "|>[{&*!":
            block, settings[name] = indent, None
        else:
            settings[name] = _yaml_scalar(value)
    return settings


def _yaml_scalar(text: str) -> str:
    if text[0] in "\"'":
        return text[1:].partition(text[0])[0]
    return re.split(r"\s#", text, maxsplit=1)[0].strip()


def _json(text: str) -> Settings:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    settings: dict[str, str | None] = {}
    _flatten(data, "", settings, 0)
    return settings


def _flatten(value: Any, name: str, settings: dict[str, str | None], depth: int) -> None:
    if isinstance(value, dict) and depth <= _DEEPEST:
        for key, one in value.items():
            _flatten(one, f"{name}.{key}" if name else key, settings, depth + 1)
    elif isinstance(value, (str, int)) and not isinstance(value, bool):
        settings[name] = str(value)


_FORMATS: Mapping[str, Callable[[str], Settings]] = {"ini": _ini, "env": _env, "yaml": _yaml, "json": _json}
