"""``dysnomia-tui config show``: every setting in force, and where its value comes from."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from dysnomia_tui.cli.shared.output import jsonable, visible, write_json, write_line
from dysnomia_tui.cli.shared.parser import load
from dysnomia_tui.engine.errors import Exit

FROM_ENVIRONMENT = ("statedir", "containers_path", "components_path", "modules_path")
TABLE_OF = {
    "compression_by_container": "containers",
    "collect_mode": "schedule",
    "schedule_on_failure": "schedule",
    "grace_set": "grace",
}
"""Settings that stand in config.toml under another name."""
FOUND = ("libexec", "user_config", "files", "left_out", "exposed", "discovers", "given_containers", "given_components")
"""What is no setting: it was found out."""


def config_show(args: argparse.Namespace) -> int:
    settings = load(args.statedir)
    if args.json:
        write_json(settings)
        return Exit.OK
    texts = {path: path.read_text("utf-8", "replace") for path in settings.files}
    for field in fields(settings):
        value = jsonable(getattr(settings, field.name))
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        origin = "--statedir" if field.name == "statedir" and args.statedir else origin_of(field.name, texts)
        write_line(visible(f"{field.name} = {shown}" + (f"    # {origin}" if origin else "")))
    return Exit.OK


def origin_of(name: str, texts: Mapping[Path, str], environ: Mapping[str, str] | None = None) -> str:
    """The variable, the files with their lines (general first), or the default; ``""`` for what is found out."""
    if name in FOUND:
        return ""
    variable = f"DYSNOMIA_{name.upper()}"
    if name in FROM_ENVIRONMENT and (os.environ if environ is None else environ).get(variable):
        return variable
    return "; ".join(_lines(TABLE_OF.get(name, name), texts)) or "default"


def _lines(name: str, texts: Mapping[Path, str]) -> Iterator[str]:
    from dysnomia_tui.config.toml import line_of  # the parser only where there is something to parse

    for path, text in texts.items():
        line = line_of(text, (name,))
        if line is not None:
            yield f"{path}, line {line}"
