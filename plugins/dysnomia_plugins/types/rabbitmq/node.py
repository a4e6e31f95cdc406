"""The server's node, and the short-lived one that asks it: as the server's user, never as root.

Container properties, each with what counts without it: ``rabbitmqNode`` (``NODENAME`` of rabbitmq-env.conf, else
``rabbit@`` and this machine's name), ``rabbitmqUser`` (rabbitmq), ``rabbitmqHome`` (that user's home, where the cookie
is), ``rabbitmqEpmdPort`` (4369), ``rabbitmqVhost`` (``vhosts.py``), ``rabbitmqDiscardMessages`` (false),
``rabbitmqCopiesDir`` (where files of a restore are put). Sources: erl(1), epmd(1) of Erlang/OTP 25; rabbitmq-env.
"""

from __future__ import annotations

import base64
import os
import posixpath
import pwd
import re
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dysnomia_plugins.base import Component, PropertyValue, Runner
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown, WrongCredentials
from dysnomia_plugins.interface.context import single
from dysnomia_plugins.toolkit.copies import folder_of_copies
from dysnomia_plugins.toolkit.guarded.acting import Actor, acting_as, as_command
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.types.rabbitmq.program import DOWN, PROGRAM, REFUSED, STARTING, STOPPED
from dysnomia_plugins.types.rabbitmq.terms import Term, decode, encode

USER, NODE, HOME, EPMD = "rabbitmqUser", "rabbitmqNode", "rabbitmqHome", "rabbitmqEpmdPort"
VHOST, DISCARD, COPIES = "rabbitmqVhost", "rabbitmqDiscardMessages", "rabbitmqCopiesDir"
PROPERTIES = (NODE, USER, HOME, EPMD, VHOST, DISCARD, COPIES)
USUAL_USER = "rabbitmq"
SETTINGS = "/etc/rabbitmq/rabbitmq-env.conf"
EPMD_PORT = 4369
ROOT_COPIES = "/var/lib/dysnomia-rabbitmq"
OWN_COPIES = ".local/state/dysnomia-rabbitmq"
COOKIE = ".erlang.cookie"
_NAME = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+")
_SETTING = re.compile(r"""(?:export\s+)?([A-Z_]+)=(?:"([^"$`\\]*)"|'([^']*)'|([^\s"'$`\\;#]*))\s*(?:#.*)?""")
_MAX_SETTINGS = 1 << 20
_YES, _NO = ("true", "yes", "1"), ("", "false", "no", "0")
_SIGNS = ("econnrefused", "register/listen error", "nodistribution", "Can't set short node name", "dist_auto_connect")


@dataclass(frozen=True, slots=True)
class Server:
    """One node of the machine, as a container says."""

    node: str
    home: str
    """Of its user: the cookie is there."""
    actor: Actor | None
    """Its user; None: ourselves."""
    epmd: int = EPMD_PORT
    vhost: str = ""
    """What ``rabbitmqVhost`` says."""
    discard: bool = False
    """Whether queues that hold messages may be deleted."""
    copies: str = field(default=ROOT_COPIES)

    @classmethod
    def of(cls, component: Component) -> Server:
        """Raises PluginError, NotSafe."""
        return cls.from_properties(component.properties)

    @classmethod
    def from_properties(cls, properties: Mapping[str, PropertyValue]) -> Server:
        """Raises PluginError where they make no sense, NotSafe."""
        entry, actor = _user(single(properties, USER, USUAL_USER))
        node = single(properties, NODE) or usual_node()
        if "@" not in node:
            node = f"{node}@{own_host(is_long(_settings()))}"
        if not _NAME.fullmatch(node) or len(node) > 255:
            raise PluginError(f"{node!r} is not a valid node name", f"set {NODE} in the container: rabbit@host")
        home = single(properties, HOME) or entry.pw_dir
        for name, path in ((HOME, home), (COPIES, single(properties, COPIES))):
            if path and not path.startswith("/"):
                raise PluginError(f"{name} is {path!r}, which is not an absolute path", "write it from / on")
        return cls(
            node,
            home,
            actor,
            _port(single(properties, EPMD)),
            single(properties, VHOST),
            _yes(single(properties, DISCARD)),
            single(properties, COPIES) or folder_of_copies(ROOT_COPIES, OWN_COPIES),
        )

    def __str__(self) -> str:
        return self.node

    def command(self) -> list[str]:
        """What asks the node."""
        host = self.node.rpartition("@")[2]
        own = f"dysnomia-{secrets.token_hex(6)}@{host}"
        options = ["-sname" if "." not in host else "-name", own, "-hidden", "-noshell", "-start_epmd", "false"]
        options += ["-dist_listen", "false", "+S", "1:1", "+A", "1", "+sbwt", "none"]
        return [*as_command(self.actor), "erl", *options, "-eval", PROGRAM, "-extra", self.node]

    @property
    def environment(self) -> Mapping[str, str]:
        """Of that command: where its cookie is, and no file of its memory where it ends badly."""
        return {"HOME": self.home, "ERL_CRASH_DUMP_SECONDS": "0", "ERL_EPMD_PORT": str(self.epmd)}

    def ask(self, runner: Runner, *questions: Term, timeout: float | None = None) -> list[Term]:
        """The answers. Raises PluginError, ServerDown where nobody answers, WrongCredentials."""
        self._need_cookie()
        words = b"".join(base64.b64encode(encode(question)) + b"\n" for question in questions)
        with self._explained():
            done = runner.run(self.command(), env=self.environment, stdin=words, timeout=timeout)
        answers = [decode(base64.b64decode(line)) for line in done.stdout.split(b"\n") if line]
        if len(answers) != len(questions):
            raise PluginError(f"the node {self.node} does not answer all that it was asked", "see its log")
        for answer in answers:
            if isinstance(answer, tuple) and answer[:1] == ("failed",):
                raise PluginError(f"the node {self.node} could not do it: {in_words(answer[1])}", "see its log")
        return answers

    def _need_cookie(self) -> None:
        """Without one ``erl`` would make one up, and leave it in that home. Raises WrongCredentials."""
        try:
            with acting_as(self.actor), Folder.at(self.home) as folder:
                if folder.seen(COOKIE) is not None:
                    return
        except OSError:
            pass
        whose = "of that user" if self.actor is not None else "of ours"
        raise WrongCredentials(
            f"there is no {self.home}/{COOKIE} {whose}, by which the node {self.node} lets itself be asked",
            f"run it as root or as the server's user, or set {HOME} and {USER}",
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what a failure of that command means. Raises PluginError, ServerDown, WrongCredentials."""
        try:
            yield
        except ProcessFailed as error:
            if type(error) is not ProcessFailed:
                raise
            raise self._meaning(error) from error

    def _meaning(self, error: ProcessFailed) -> PluginError:
        if error.status == REFUSED:
            return WrongCredentials(
                f"the node {self.node} runs and does not let itself be asked",
                f"the cookie in {self.home}/{COOKIE} must be its own: set {HOME} and {USER}",
            )
        if error.status == STOPPED:
            return ServerDown(
                f"RabbitMQ does not run in the node {self.node}, which does", "start it: rabbitmqctl start_app"
            )
        if error.status == STARTING:
            return ServerDown(f"RabbitMQ is starting in the node {self.node}", "wait until it has")
        if error.status == DOWN or any(sign in error.stderr for sign in _SIGNS):
            return ServerDown(
                f"the node {self.node} is not answering", f"start rabbitmq-server; or set {NODE} and {EPMD}"
            )
        lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
        if any("ookie" in line and ("eacces" in line or "accessible by owner" in line) for line in lines):
            return WrongCredentials(f"{self.home}/{COOKIE} cannot be read", "run it as root, or as the server's user")
        reason = lines[-1][:300] if lines else "it gave no reason"
        return PluginError(f"the node {self.node} could not be asked: {reason}", "nothing was changed")


@dataclass(frozen=True, slots=True)
class State:
    """What a node says of itself."""

    version: str
    nodes: tuple[str, ...]
    running: tuple[str, ...]
    partitions: tuple[str, ...]
    exchange_types: frozenset[str]
    components: frozenset[str]
    """Kinds of parameters that it takes: plugins bring them."""
    policy_keys: frozenset[str]
    alarms: tuple[str, ...]

    @classmethod
    def of(cls, answer: Term) -> State:
        """Of the answer to ``{status}``."""
        version, nodes, running, partitions, types, components, keys, alarms = answer
        return cls(
            version.decode("utf-8", "replace") if isinstance(version, bytes) else "",
            _names(nodes), _names(running), _names(partitions), frozenset(_names(types)),
            frozenset(_names(components)), frozenset(_names(keys)), tuple(dict.fromkeys(map(str, alarms))),
        )  # fmt: skip

    def against_changes(self) -> Iterator[str]:
        """Why no definition should be changed now."""
        if self.partitions:
            yield (
                f"the cluster is partitioned (from {', '.join(self.partitions)}): what is changed here may be lost when"
                " it is mended; see rabbitmqctl cluster_status"
            )

    @property
    def missing(self) -> tuple[str, ...]:
        """Nodes of its cluster that do not run."""
        return tuple(name for name in self.nodes if name not in self.running)


def _names(terms: Sequence[Term]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.decode("utf-8", "replace") for name in terms))


def in_words(reason: Term) -> str:
    """What a node says of a failure, without the terms themselves."""
    if isinstance(reason, tuple) and reason[:1] == ("text",) and isinstance(reason[1], bytes):
        from dysnomia_plugins.types.rabbitmq.hidden import hide

        return hide(" ".join(reason[1].decode("utf-8", "replace").split()))[:400]
    return " ".join(map(str, reason)) if isinstance(reason, tuple) else str(reason)


def short_host() -> str:
    return socket.gethostname().partition(".")[0] or "localhost"


def own_host(long: bool) -> str:
    """This machine in the name of a node; ``long``: with its domain, where it has one."""
    short = short_host()
    full = socket.getfqdn() if long else ""
    return full if full.startswith(f"{short}.") else short


def is_long(settings: Mapping[str, str]) -> bool:
    """Whether nodes have long names, by rabbitmq-env.conf or an environment."""
    return "true" in (settings.get("USE_LONGNAME", ""), settings.get("RABBITMQ_USE_LONGNAME", ""))


def usual_node() -> str:
    """The one that Debian's package starts. Raises PluginError."""
    settings = _settings()
    name = settings.get("NODENAME", "") or settings.get("RABBITMQ_NODENAME", "") or "rabbit"
    return name if "@" in name else f"{name}@{own_host(is_long(settings))}"


def _settings() -> Mapping[str, str]:
    """Those of rabbitmq-env.conf that are plain assignments: they are read here, and never run."""
    try:
        with Folder.at(posixpath.dirname(SETTINGS)) as folder:
            content = folder.read_bytes(posixpath.basename(SETTINGS), _MAX_SETTINGS)
    except OSError:
        return {}
    settings: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        match = _SETTING.fullmatch(line.strip())
        if match is not None:
            settings[match[1]] = match[2] or match[3] or match[4] or ""
    return settings


def _user(name: str) -> tuple[pwd.struct_passwd, Actor | None]:
    if os.geteuid() != 0:
        try:
            return pwd.getpwuid(os.geteuid()), None
        except KeyError:
            raise PluginError("who runs this has no account on this machine", "run it as root") from None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise PluginError(f"there is no user {name!r} on this machine", f"set {USER} in the container") from None
    if entry.pw_uid == 0:
        raise NotSafe(f"{USER} is {name}: nothing of RabbitMQ is run as root", "name the user that the server runs as")
    return entry, Actor.of(entry.pw_uid, entry.pw_gid)


def _port(text: str) -> int:
    if not text:
        return EPMD_PORT
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise PluginError(f"{EPMD} is {text!r}, expected a port number", f"the usual one is {EPMD_PORT}")


def _yes(text: str) -> bool:
    if text.lower() not in (*_YES, *_NO):
        raise PluginError(f"{DISCARD} is {text!r}", "set it to true or false")
    return text.lower() in _YES
