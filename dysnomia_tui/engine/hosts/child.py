"""The child that asks hosts for a screen: one request on standard input, a line of JSON for each answer."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from dysnomia_base.shapes import convert
from dysnomia_tui.config import HostSettings
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.hosts.reports import hosts_reported
from dysnomia_tui.engine.hosts.work import HostTask, work_on


def main() -> int:
    os.nice(10)  # a thousand starts of ssh must not hold up the screen
    request = json.load(sys.stdin)
    hosts = [convert(one, HostSettings) for one in request["hosts"]]
    control = None if request["control"] is None else Path(request["control"])
    try:
        if "task" in request:
            serial, most = request["serial"], request["max_fail_percentage"]
            for result in work_on(hosts, HostTask(request["task"]), control, serial=serial, max_fail_percentage=most):
                _say(asdict(result))
        else:
            for report in hosts_reported(hosts, control, at_once=request["at_once"], limit=request["limit"]):
                _say(asdict(report))
    except EngineError as error:
        _say({"error": [error.message, error.hint]})
    return 0


def _say(document: object) -> None:
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.stdout.flush()
