"""The engine: plans, jobs, the journal, the worker process and the audit. App and commands use what is named here,
and ``engine``, ``records``, ``errors`` and ``plans.plan``; the rest is the engine's own."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers know the name; the module typing costs a query 10 ms

if TYPE_CHECKING:
    from dysnomia_tui.engine.component.rows import MOST_ROWS, WAS_GONE, RowsAsked
    from dysnomia_tui.engine.component.trust import TRUSTED_TAG
    from dysnomia_tui.engine.diff.handle import Diff
    from dysnomia_tui.engine.finding.asked import FindAsked, HistoryAsked, Wanted
    from dysnomia_tui.engine.finding.handle import Search
    from dysnomia_tui.engine.group.members import Standing
    from dysnomia_tui.engine.hosts.calling import control_folder, ssh_words
    from dysnomia_tui.engine.hosts.desk import HostDesk, HostTalk
    from dysnomia_tui.engine.hosts.inventory import Hosts, known_hosts
    from dysnomia_tui.engine.hosts.reports import HostReport, hosts_chosen, hosts_reported
    from dysnomia_tui.engine.hosts.work import HostResult, HostTask, batches, command_of, work_on
    from dysnomia_tui.engine.machine.inventory import Inventory, read_inventory
    from dysnomia_tui.engine.machine.listed import with_listed
    from dysnomia_tui.engine.machine.machine import Machine
    from dysnomia_tui.engine.machine.report import check_not_empty
    from dysnomia_tui.engine.machine.shell_session import Session
    from dysnomia_tui.engine.machine.types import TypeView, types
    from dysnomia_tui.engine.machine.visibility import check_readable
    from dysnomia_tui.engine.operations.deploy import Deployment
    from dysnomia_tui.engine.probing.client import NOT_ANSWERING
    from dysnomia_tui.engine.timers import Schedule, TimerState
    from dysnomia_tui.engine.translate import STORE_EXITS, translated

_HOMES = {
    "Deployment": "dysnomia_tui.engine.operations.deploy",
    "Diff": "dysnomia_tui.engine.diff.handle",
    "FindAsked": "dysnomia_tui.engine.finding.asked",
    "HistoryAsked": "dysnomia_tui.engine.finding.asked",
    "Inventory": "dysnomia_tui.engine.machine.inventory",
    "Machine": "dysnomia_tui.engine.machine.machine",
    "MOST_ROWS": "dysnomia_tui.engine.component.rows",
    "NOT_ANSWERING": "dysnomia_tui.engine.probing.client",
    "STORE_EXITS": "dysnomia_tui.engine.translate",
    "RowsAsked": "dysnomia_tui.engine.component.rows",
    "Schedule": "dysnomia_tui.engine.timers",
    "TimerState": "dysnomia_tui.engine.timers",
    "Search": "dysnomia_tui.engine.finding.handle",
    "Standing": "dysnomia_tui.engine.group.members",
    "Session": "dysnomia_tui.engine.machine.shell_session",
    "TRUSTED_TAG": "dysnomia_tui.engine.component.trust",
    "TypeView": "dysnomia_tui.engine.machine.types",
    "WAS_GONE": "dysnomia_tui.engine.component.rows",
    "HostDesk": "dysnomia_tui.engine.hosts.desk",
    "HostTalk": "dysnomia_tui.engine.hosts.desk",
    "Hosts": "dysnomia_tui.engine.hosts.inventory",
    "HostReport": "dysnomia_tui.engine.hosts.reports",
    "HostResult": "dysnomia_tui.engine.hosts.work",
    "HostTask": "dysnomia_tui.engine.hosts.work",
    "check_not_empty": "dysnomia_tui.engine.machine.report",
    "batches": "dysnomia_tui.engine.hosts.work",
    "command_of": "dysnomia_tui.engine.hosts.work",
    "work_on": "dysnomia_tui.engine.hosts.work",
    "control_folder": "dysnomia_tui.engine.hosts.calling",
    "hosts_chosen": "dysnomia_tui.engine.hosts.reports",
    "hosts_reported": "dysnomia_tui.engine.hosts.reports",
    "known_hosts": "dysnomia_tui.engine.hosts.inventory",
    "ssh_words": "dysnomia_tui.engine.hosts.calling",
    "check_readable": "dysnomia_tui.engine.machine.visibility",
    "read_inventory": "dysnomia_tui.engine.machine.inventory",
    "Wanted": "dysnomia_tui.engine.finding.asked",
    "translated": "dysnomia_tui.engine.translate",
    "types": "dysnomia_tui.engine.machine.types",
    "with_listed": "dysnomia_tui.engine.machine.listed",
}
"""Where each name is defined. It is imported when it is first asked for: queries must start quickly."""

__all__ = [
    "MOST_ROWS",
    "NOT_ANSWERING",
    "STORE_EXITS",
    "TRUSTED_TAG",
    "WAS_GONE",
    "Deployment",
    "Diff",
    "FindAsked",
    "HistoryAsked",
    "HostDesk",
    "HostReport",
    "HostResult",
    "HostTalk",
    "HostTask",
    "Hosts",
    "Inventory",
    "Machine",
    "RowsAsked",
    "Schedule",
    "Search",
    "Session",
    "Standing",
    "TimerState",
    "TypeView",
    "Wanted",
    "batches",
    "check_not_empty",
    "check_readable",
    "command_of",
    "control_folder",
    "hosts_chosen",
    "hosts_reported",
    "known_hosts",
    "read_inventory",
    "ssh_words",
    "translated",
    "types",
    "with_listed",
    "work_on",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
