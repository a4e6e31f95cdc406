"""``dysnomia-tui config show``: every setting in force, and where its value comes from."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

from dysnomia_tui.cli.shared.output import jsonable, visible, write_json, write_line
from dysnomia_tui.cli.shared.parser import load, open_engine
from dysnomia_tui.config.durations import format_duration
from dysnomia_tui.config.model import NotifySettings
from dysnomia_tui.engine.errors import EngineError, Exit

FROM_ENVIRONMENT = ("statedir", "containers_path", "components_path", "modules_path")
TABLE_OF = {
    "compression_by_container": "containers",
    "collect_mode": "schedule",
    "schedule_on_failure": "schedule",
    "schedule_metrics": "schedule",
}
"""Settings that stand in config.toml under another name."""
FOUND = {
    "files": "read",
    "left_out": "not obeyed",
    "exposed": "tells a secret",
    "user_config": "what is adopted is written below",
    "libexec": "modules of a Dysnomia of this machine",
}
"""What is no setting and was found out, and the words for it."""
UNSEEN = ("grace_set", "discovers", "given_containers", "given_components")
"""What nobody sets."""
NOT_SET = "not set"


def config_show(args: argparse.Namespace) -> int:
    settings = load(args.statedir)
    if args.json:
        write_json(settings)
        return Exit.OK
    texts = {path: path.read_text("utf-8", "replace") for path in settings.files}
    for name, words in FOUND.items():
        found_out = getattr(settings, name)
        for one in found_out if isinstance(found_out, tuple) else (found_out,):
            write_line(visible(f"# {words}: {one}"))
    for field in fields(settings):
        if field.name not in FOUND and field.name not in UNSEEN:
            origin = "--statedir" if field.name == "statedir" and args.statedir else origin_of(field.name, texts)
            write_line(visible(f"{field.name} = {_shown(getattr(settings, field.name))}    # {origin}"))
    with suppress(EngineError):  # a store that may not be read: the settings are known all the same
        for table in open_engine(settings, read_only=True).names_nothing():
            write_line(visible(f"# for nothing that is configured here or in the store: {table}"))
    return Exit.OK


def _shown(value: object) -> str:
    """As config.toml would have it, where that is one line."""
    if value is None or value in ("", (), {}) or value == NotifySettings():
        return NOT_SET
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    plain = jsonable(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def origin_of(name: str, texts: Mapping[Path, str], environ: Mapping[str, str] | None = None) -> str:
    """The variable, the files with their lines (general first), or the default."""
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
