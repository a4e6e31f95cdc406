"""Talking to supervisord as its own client does: XML-RPC, at the address that its configuration names.

The client itself takes longer to start than a probe has time. Sources: "XML-RPC API Documentation" and "Configuration
File" of Supervisor 4.2.
"""

from __future__ import annotations

import http.client
import time
import xmlrpc.client
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError

from dysnomia_plugins.errors import PluginError, ServerDown
from dysnomia_plugins.types.supervisord.address import address
from dysnomia_plugins.types.supervisord.transport import proxy

TIMEOUT = 10.0
"""Seconds for one answer: what takes longer is asked for and then looked at."""
STOPPING = 600.0
"""Seconds after which a process that is to stop is said to hang; supervisord kills it after its ``stopwaitsecs``."""
LOOK = 0.1
MOST_LOG = 4000
FAILED = frozenset({"FATAL", "BACKOFF"})
IDLE = frozenset({"FATAL", "STOPPED"})
STOPPED = frozenset({"STOPPED", "EXITED", "FATAL"})
NOT_ITS = "the answer is not from supervisord"
_BAD_NAME, _NOT_RUNNING, _ALREADY_ADDED = 10, 70, 90


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What supervisord says of one process."""

    group: str
    process: str
    state: str
    about: str

    @property
    def name(self) -> str:
        """``web``, or ``group:web``: as its client writes it."""
        return self.process if self.group == self.process else self.full_name

    @property
    def full_name(self) -> str:
        return f"{self.group}:{self.process}"


@dataclass(frozen=True, slots=True)
class Supervisor:
    """One supervisord."""

    server: xmlrpc.client.ServerProxy
    where: str
    hint: str = "start it"
    """What to do where it does not answer."""

    @classmethod
    def ours(cls, timeout: float = TIMEOUT) -> Supervisor:
        """The one that this machine's configuration names. Raises PluginError, NotSafe."""
        reached = address()
        return cls(proxy(reached, timeout), reached.shown, reached.hint)

    def _ask(self, method: str, *words: object) -> Any:
        """Raises ServerDown, PluginError."""
        try:
            return getattr(self.server.supervisor, method)(*words)
        except xmlrpc.client.Fault as fault:
            raise Refused(method, words, fault) from None
        except TimeoutError:
            raise PluginError(
                f"supervisord is not answering at {self.where}", "see its log, and restart it if it hangs"
            ) from None
        except (FileNotFoundError, ConnectionError) as error:
            why = error.strerror or "it closed the connection"
            raise ServerDown(f"supervisord does not answer: {self.where} ({why})", self.hint) from None
        except xmlrpc.client.ProtocolError as error:  # its own words would hold the password
            raise PluginError(
                f"supervisord at {self.where} refused the request (HTTP status {error.errcode})",
                "check username and password in its configuration",
            ) from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
            why = getattr(error, "strerror", "") or NOT_ITS
            raise PluginError(
                f"cannot connect to supervisord at {self.where} ({why})", "check the permissions of its socket"
            ) from None

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Raises PluginError for an answer of another shape: anybody may listen where none runs."""
        try:
            yield
        except (TypeError, LookupError, ValueError, AttributeError) as error:
            raise PluginError(f"{NOT_ITS}: {self.where}", "see what listens there") from error

    def version(self) -> str:
        return str(self._ask("getSupervisorVersion"))

    def states(self, groups: Iterable[str] | None = None) -> tuple[ProcessState, ...]:
        """How the processes of groups are; of all, if none are named. Raises ServerDown, PluginError."""
        wanted = None if groups is None else set(groups)
        rows: Sequence[Mapping[str, Any]] = self._ask("getAllProcessInfo")
        with self._understood():
            states = [_state(row) for row in rows]
        return tuple(one for one in states if wanted is None or one.group in wanted)

    def update(self, groups: Iterable[str], check: Callable[[], None]) -> list[str]:
        """Let it read its files again and take over what changed of these groups, and of no others. Returns those that
        it knows. ``check`` raises Cancelled where that was asked for. Raises PluginError."""
        answer = self._ask("reloadConfig")
        with self._understood():
            added, changed, removed = ({str(name) for name in names} for names in answer[0])
        wanted = set(groups)
        running = {one.group for one in self.states(wanted)}
        for group in sorted(wanted & (changed | removed) & running):
            self._stop(group, check)
            self._ask("removeProcessGroup", group)
        for group in sorted(wanted & (added | changed)):
            self._unless({_ALREADY_ADDED}, "addProcessGroup", group)
        return sorted(wanted & (added | changed | removed | running))

    def _stop(self, group: str, check: Callable[[], None]) -> None:
        self._unless({_BAD_NAME, _NOT_RUNNING}, "stopProcessGroup", group, False)
        self._await_stopped([group], check)

    def start(self, name: str) -> None:
        """Have it started. Raises PluginError where it says that it cannot be."""
        self._ask("startProcess", name, False)

    def stop(self, names: Sequence[str], check: Callable[[], None]) -> None:
        """Have them stopped, and wait for that. Raises PluginError."""
        for name in names:
            self._unless({_BAD_NAME, _NOT_RUNNING}, "stopProcess", name, False)
        self._await_stopped({name.partition(":")[0] for name in names}, check, names)

    def _await_stopped(
        self, groups: Iterable[str], check: Callable[[], None], names: Sequence[str] | None = None
    ) -> None:
        until = time.monotonic() + STOPPING
        while True:
            left = [
                one.full_name
                for one in self.states(groups)
                if one.state not in STOPPED and (names is None or one.full_name in names)
            ]
            if not left:
                return
            if time.monotonic() > until:
                raise PluginError(
                    f"{', '.join(left)} did not stop in time", "see what it waits for, or raise its stopwaitsecs"
                )
            check()
            time.sleep(LOOK)

    def _unless(self, faults: set[int], method: str, *words: object) -> None:
        """Ask, where some refusals mean that it is so already."""
        try:
            self._ask(method, *words)
        except Refused as refused:
            if refused.code not in faults:
                raise

    def log(self, name: str) -> list[str]:
        """The end of what a process printed, or of what it complained of where it printed nothing."""
        for method in ("tailProcessStdoutLog", "tailProcessStderrLog"):
            try:
                answer = self._ask(method, name, 0, MOST_LOG)
            except Refused:  # it has no such log
                continue
            with self._understood():
                text = str(answer[0])
            lines = [line for line in text.splitlines() if line.strip()]
            if lines:
                return lines
        return []


class Refused(PluginError):
    """supervisord said that it does not do what it was asked."""

    def __init__(self, method: str, words: Sequence[object], fault: xmlrpc.client.Fault) -> None:
        about = f" {words[0]}" if words else ""
        super().__init__(f"supervisord, {method}{about}: {fault.faultString}", "see the log of supervisord")
        self.code = fault.faultCode


def _state(row: Mapping[str, Any]) -> ProcessState:
    return ProcessState(str(row["group"]), str(row["name"]), str(row["statename"]), str(row.get("description", "")))
