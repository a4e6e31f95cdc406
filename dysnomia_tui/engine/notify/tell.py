"""Tell whoever config.toml names what is new, once. Nothing here fails a job: what goes wrong is a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime

from dysnomia_base.host import host_name
from dysnomia_base.limits import reason
from dysnomia_base.secret import Secret
from dysnomia_base.secrets import Redactor, secrets_of
from dysnomia_tui.config import Settings
from dysnomia_tui.config.load import ROOT_STATEDIR
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.permissions import why_not_safe
from dysnomia_tui.engine.notify import channels, memory
from dysnomia_tui.engine.notify.channels import NotSent
from dysnomia_tui.engine.notify.message import Message
from dysnomia_tui.engine.notify.news import Look, Run, look, news
from dysnomia_tui.engine.records import Report

Send = Callable[[Message], None]


def senders(settings: Settings) -> dict[str, Send]:
    """How a message goes, by the name of the way."""
    notify, limit = settings.notify, settings.notify.time_limit.total_seconds()
    result: dict[str, Send] = {}
    if notify.command:
        result["command"] = lambda message: channels.call_program(notify.command, message, limit)
    if notify.apprise:
        result["apprise"] = lambda message: channels.by_apprise(notify.apprise, message, limit)
    return result


def tell(machine: Machine, report: Report, run: Run | None, now: datetime) -> Sequence[str]:
    """Send what is new. Returns what went wrong, a sentence each."""
    ways = senders(machine.settings)
    if not ways:
        return ()
    statedir = machine.settings.statedir
    unsafe = why_not_safe(statedir)
    if unsafe:
        return (f"nobody was told: the state directory is not safe to write: {unsafe}",)
    with ExitStack() as stack:
        try:
            stack.enter_context(memory.alone(statedir))
        except PermissionError as error:
            return (f"nobody was told: permission denied: {error.filename or statedir}",)
        except OSError:
            pass  # a disk that is full or fails is what has to be told
        return tuple(_tell(machine, look(report, run, command(machine.settings), redactor(machine)), ways, now))


def _tell(machine: Machine, seen: Look, ways: dict[str, Send], now: datetime) -> Iterator[str]:
    settings = machine.settings
    before = memory.read(settings.statedir)
    after = memory.Memory()
    for name, send in ways.items():
        reported = before.told.get(name, {})
        happenings, lasting = news(reported, seen)
        after.told[name] = lasting
        if name in before.trouble:
            after.trouble[name] = before.trouble[name]
        if not happenings:
            continue
        try:
            send(Message(host_name(), now, happenings))
        except NotSent as error:
            after.told[name] = reported
            after.trouble[name] = error.message
            yield f"[notify] {name}: {error}"
        else:
            after.trouble.pop(name, None)
    if after != before:
        try:
            memory.write(settings.statedir, after, settings.group)
        except (OSError, LookupError) as error:
            why = reason(error) if isinstance(error, OSError) else error
            yield f"what was told cannot be remembered in {settings.statedir}, and will be told again: {why}"


def ping(settings: Settings, task: str, signal: str, text: str) -> Sequence[str]:
    """Tell a task's address that it starts, or how it ended. Returns what went wrong."""
    address = settings.notify.ping.get(task)
    if address is None:
        return ()
    try:
        channels.ping(address, signal, text, settings.notify.time_limit.total_seconds())
    except NotSent as error:
        return (f"[notify.ping] {task}: {error}",)
    return ()


def send_test(settings: Settings, now: datetime) -> Iterator[tuple[str, str]]:
    """Send a test message every way, one at a time: name, and what went wrong or ``""``. Pings are of the kind
    ``log``, which says neither that the task succeeded nor that it failed."""
    message = Message(host_name(), now, (), test=True)
    for name, send in senders(settings).items():
        problem = ""
        try:
            send(message)
        except EngineError as error:
            problem = str(error)
        yield name, problem
    for task in settings.notify.ping:
        yield f"ping.{task}", "; ".join(ping(settings, task, "log", message.text))


def command(settings: Settings) -> Sequence[str]:
    """``dysnomia-tui``, as it has to be called to see this store."""
    usual = settings.statedir == ROOT_STATEDIR
    return ("dysnomia-tui",) if usual else ("dysnomia-tui", "--statedir", os.fspath(settings.statedir))


def redactor(machine: Machine) -> Redactor:
    """Takes out every secret that this machine's configuration and our surroundings name."""
    known = [*secrets_of(dict(os.environ))]
    for container in machine.inventory().containers.values():
        known += secrets_of(container.properties)
    notify = machine.settings.notify
    known += [one.reveal() for one in (*notify.ping.values(), *notify.apprise) if isinstance(one, Secret)]
    return Redactor(known)
