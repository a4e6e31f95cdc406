"""How a component's daemon is, for an operator: whether it runs, since when, as whom, and what it logged last."""

from __future__ import annotations

from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.guarded.way import user_in_words
from dysnomia_plugins.toolkit.processes import RunningProcess, log_of, memory_of
from dysnomia_plugins.toolkit.started import log_file
from dysnomia_plugins.types.process.daemon import Found, why_none
from dysnomia_plugins.types.process.spec import Spec

LINES = 30


def overall(found: Found) -> tuple[str, Tone]:
    """One word for it."""
    if found.process is not None:
        return "running", Tone.GOOD
    if found.refusal:
        return "unknown", Tone.WARN
    return ("dead", Tone.BAD) if found.file is not None else ("not running", Tone.DIM)


def status_of(spec: Spec, found: Found) -> Status:
    word, tone = overall(found)
    facts = [_fact(spec, process) for process in found.processes]
    if found.refusal:
        facts.append(Fact(f"{spec.pid_file} {found.refusal}", tone=Tone.WARN))
    elif found.file is None:
        facts.append(Fact(f"there is no {spec.pid_file}", tone=Tone.WARN if found.process else Tone.DIM))
    elif found.process is None:
        facts.append(Fact(why_none(spec.pid_file, found), tone=Tone.BAD))
    lines, name = log_of(found.process, LINES) if found.process else ([], "")
    if not name:
        lines, name = log_file(spec.log_file, LINES)
    note = f"last lines of {name}" if name else f"no log is known: it writes no file, and there is no {spec.log_file}"
    return Status(word, tone, tuple(facts), tuple(Fact(line) for line in lines), note)


def _fact(spec: Spec, process: RunningProcess) -> Fact:
    memory, others = memory_of(process.pid)
    more = f" and {others} more" if others else ""
    users = ", ".join(user_in_words(uid) for uid in sorted(process.uids))
    return Fact(f"{spec.name} pid {process.pid}{more}, user {users}, since", process.since, memory, Tone.GOOD)
