"""The ways a message goes: the operator's program, a ping, Apprise. Each has a time limit, and fails in one sentence.

No address is in an argv, in an environment or in a sentence: what sends over the network is a process of its own, which
reads the address on its standard input and is killed when its time is up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dysnomia_base.children import kill_group
from dysnomia_base.environment import child_environment
from dysnomia_base.ownership import refusal, who_else_reads, why_not_obeyed
from dysnomia_base.python_child import python_child
from dysnomia_base.secret import Secret
from dysnomia_base.secrets import Redactor
from dysnomia_tui.config.addresses import why_not_http
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.notify.message import Message

LARGEST = 64 << 10
"""Bytes of a file with addresses."""
VARIABLE = 64 << 10
"""Bytes of a variable of the operator's program; the message on its standard input is whole."""
START = 10.0
"""Seconds that the start of a process of our own may take on a busy machine, besides the limit."""


class NotSent(EngineError):
    """A message did not go out."""


def call_program(argv: Sequence[str], message: Message, limit: float) -> None:
    """Run the operator's program: the message as JSON on its standard input, and in DYSNOMIA_NOTIFY_… variables.

    What it prints goes to our standard error. Raises NotSent."""
    reason = _why_not_run(argv[0])
    if reason:
        raise NotSent(f"the program is not run: {reason}", "it must belong to root or to you alone, as its folders")
    document = message.document()
    names = {name: str(document[name]) for name in ("host", "event", "level", "title", "text")}
    names["command"] = "; ".join(message.commands)
    variables = {f"DYSNOMIA_NOTIFY_{name.upper()}": _fitting(value) for name, value in names.items()}
    with open(os.memfd_create("message"), "w+b") as given:  # noqa: PTH123 (in memory: the disk may be full)
        given.write(json.dumps(document).encode() + b"\n")
        given.seek(0)
        try:
            child = subprocess.Popen(
                list(argv), stdin=given, stdout=2, cwd="/", start_new_session=True,
                env={**child_environment(os.environ), **variables},
            )  # fmt: skip
        except OSError as error:
            raise NotSent(f"{argv[0]} could not be started: {error.strerror}", "see [notify] in config.toml") from None
    try:
        status = child.wait(limit)
    except subprocess.TimeoutExpired:
        raise NotSent(f"{argv[0]} has not ended in {limit:g} seconds and was killed", "see time_limit") from None
    finally:
        if child.returncode is None:
            _kill(child)
    if status:
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        raise NotSent(f"{argv[0]} {how}", "what it printed is above")


def ping(address: Secret | Path, signal_path: str, text: str, limit: float) -> None:
    """Tell an address of healthchecks' kind. ``signal_path``: ``start``, ``fail``, ``log``, or ``""`` for success.

    Raises NotSent."""
    (url,) = _addresses([address], one=True)
    reason = why_not_http(url)
    if reason:
        raise NotSent(f"{address}: {reason}", "see [notify.ping] in config.toml")
    _send({"how": "ping", "url": url, "signal": signal_path, "text": text, "limit": limit}, limit)


def by_apprise(addresses: Sequence[Secret | Path], message: Message, limit: float) -> None:
    """Send by Apprise to all of its addresses. Raises NotSent."""
    urls = _addresses(addresses)
    kind = {0: "success", 1: "warning", 2: "failure"}[int(message.level)]
    document = {"title": message.title, "text": message.text, "kind": "info" if message.test else kind}
    _send({"how": "apprise", "urls": urls, "limit": limit, **document}, limit)


def _fitting(text: str) -> str:
    """What fits into a variable: with a longer one the program could not be started (execve(2), MAX_ARG_STRLEN)."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= VARIABLE else f"{data[:VARIABLE].decode('utf-8', 'ignore')}…"


def _why_not_run(program: str) -> str:
    try:
        return why_not_obeyed(program)
    except OSError as error:
        return f"{error.filename or program}: {error.strerror}"


def _addresses(addresses: Iterable[Secret | Path], *, one: bool = False) -> list[str]:
    """The addresses themselves; of a file its lines that are no remarks. Raises NotSent."""
    texts: list[str] = []
    for address in addresses:
        if isinstance(address, Secret):
            texts.append(address.reveal())
            continue
        lines = [line.strip() for line in _read(address).splitlines()]
        kept = [line for line in lines if line and not line.startswith("#")]
        if not kept or (one and len(kept) > 1):
            wanted = "one address" if one else "an address a line"
            raise NotSent(f"{address} does not hold {wanted}", "write it there, with nothing else")
        texts += kept
    return texts


def _read(path: Path) -> str:
    """A file with addresses, which is obeyed as config.toml is, and that nobody else may read."""
    try:
        refused = refusal(path)
        if refused:
            raise NotSent(refused, "it must belong to root or to you alone")
        with path.open("rb") as file:
            readers = who_else_reads(os.fstat(file.fileno()), os.geteuid())
            data = file.read(LARGEST)
    except OSError as error:
        raise NotSent(f"{path}: {error.strerror}", "it should hold an address") from None
    if readers:
        raise NotSent(f"{path} holds a secret address and {readers}", f"chmod 0600 {path}")
    return data.decode("utf-8", "replace")


def _send(what: Mapping[str, Any], limit: float) -> None:
    """Let a process of its own send. Raises NotSent."""
    try:
        child = subprocess.Popen(
            python_child("dysnomia_tui.engine.notify.send"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/",
            env=child_environment(os.environ), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise NotSent(f"no process could be started for it: {error.strerror}") from None
    with child:
        try:
            output, _ = child.communicate(json.dumps(what).encode(), timeout=limit + START)
        except subprocess.TimeoutExpired:
            raise NotSent(f"not sent in {limit:g} seconds", "see time_limit in [notify] of config.toml") from None
        finally:
            _kill(child)
    if child.returncode == -signal.SIGALRM:
        raise NotSent(f"not sent in {limit:g} seconds", "see time_limit in [notify] of config.toml")
    try:
        answer = json.loads(output)
    except ValueError:
        raise NotSent(f"the process that sends it failed (status {child.returncode})") from None
    if answer["error"]:
        known = Redactor([str(what.get("url", "")), *what.get("urls", ())])
        raise NotSent(known.hide(str(answer["error"])), str(answer.get("hint", "")))


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End a child with all that it started: they share its group."""
    kill_group(child.pid)
    child.wait()
