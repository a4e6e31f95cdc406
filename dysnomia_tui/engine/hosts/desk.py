"""Hosts as a screen needs them: asked by a child, so that a thousand answers hold up no key; ended at any moment."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dysnomia_base.python_child import python_child
from dysnomia_base.shapes import convert
from dysnomia_tui.config import HostSettings, Settings
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.hosts.calling import control_folder, ssh_words, surroundings
from dysnomia_tui.engine.hosts.inventory import Hosts, known_hosts
from dysnomia_tui.engine.hosts.reports import LIMIT, HostReport, hosts_chosen
from dysnomia_tui.engine.hosts.work import HostResult, HostTask, command_of

AT_ONCE = 50


class HostTalk:
    """A child that asks hosts; its answers one by one, in the order they come."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            python_child("dysnomia_tui.engine.hosts.child"), env=surroundings(), cwd="/", start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._request = json.dumps(request).encode()

    def answers(self) -> Iterator[Mapping[str, Any]]:
        """Raises EngineError where there is no ssh, or the child ended before it had asked all."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process:
            with suppress(BrokenPipeError):
                self._process.stdin.write(self._request)
                self._process.stdin.close()
            for line in self._process.stdout:
                answer = json.loads(line)
                if "error" in answer:
                    raise EngineError(*answer["error"])
                yield answer
        if self._process.returncode > 0:
            raise EngineError("the process that asks the hosts has failed", "ask again")

    def reports(self) -> Iterator[HostReport]:
        """What each host says of itself, as it comes. Raises EngineError, ValueError."""
        yield from (convert(answer, HostReport) for answer in self.answers())

    def results(self) -> Iterator[HostResult]:
        """How the work ended on each. Raises EngineError, ValueError."""
        yield from (convert(answer, HostResult) for answer in self.answers())

    def end(self) -> None:
        """Stop asking. What has begun on a host goes on there."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


class HostDesk:
    """Which hosts there are, what they say, what is done on them, and the command lines that lead to them."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], only: Sequence[str] = ()) -> None:
        """``only``: names and labels; all hosts where there is none."""
        self._settings = settings
        self._environ = environ
        self._only = only

    def hosts(self) -> Hosts:
        """Raises EngineError for a source that cannot be read, and for a name or label that no host has."""
        known = known_hosts(self._settings)
        return Hosts(hosts_chosen(known.hosts, self._only), known.left_out)

    @property
    def control(self) -> Path | None:
        return control_folder(self._environ)

    def look(self, hosts: Sequence[HostSettings], *, at_once: int = AT_ONCE, limit: float = LIMIT) -> HostTalk:
        """Ask what they say of themselves."""
        return HostTalk(self._request(hosts, at_once=at_once, limit=limit))

    def work(
        self, hosts: Sequence[HostSettings], task: HostTask, *, serial: int, max_fail_percentage: int = 0
    ) -> HostTalk:
        """Begin work on them."""
        return HostTalk(self._request(hosts, task=task.value, serial=serial, max_fail_percentage=max_fail_percentage))

    def _request(self, hosts: Sequence[HostSettings], **more: Any) -> dict[str, Any]:
        control = self.control
        return {"hosts": [asdict(host) for host in hosts], "control": None if control is None else str(control)} | more

    def command(self, host: HostSettings, task: HostTask) -> str:
        """The command line of work on a host. Raises EngineError where it is not known."""
        called, words = command_of(host, task)
        return " ".join([called.command, *words])

    def login_words(self, host: HostSettings) -> list[str]:
        """Opens a connection that is kept, and asks for passwords and codes on the terminal. Raises EngineError."""
        return [*ssh_words(host, self.control), "true"]

    def client_words(self, host: HostSettings, key: str) -> list[str]:
        """The program itself on the host, in this terminal, on a component. Raises EngineError."""
        place = f" {shlex.quote(key)}" if key else ""
        return [*ssh_words(host, self.control, "-t"), f"{host.command}{place}"]

    def environment(self) -> dict[str, str]:
        """Of ssh."""
        return surroundings()
