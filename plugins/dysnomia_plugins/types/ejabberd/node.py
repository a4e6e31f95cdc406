"""The server's node, and the short-lived one that asks it: as the server's user, never as root.

Which node that is, is in ejabberdctl's own settings (``ejabberdctl.cfg``, a file of shell assignments): they are read
here, and never run. Sources: ejabberdctl of ejabberd 23.01; erl(1), epmd(1) of Erlang/OTP 25.
"""

from __future__ import annotations

import os
import posixpath
import pwd
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import BinaryIO

from dysnomia_plugins.base import Component, Runner
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown
from dysnomia_plugins.toolkit.guarded.acting import Actor, as_command
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.stalled import PATIENCE
from dysnomia_plugins.types.ejabberd.program import PROGRAM
from dysnomia_plugins.types.ejabberd.terms import BadTerms

USER = "ejabberdUser"
SETTINGS = "ejabberdSettings"
NODE = "ejabberdNode"
HOME = "ejabberdHome"
SPOOL = "ejabberdSpool"
USUAL_USER = "ejabberd"
USUAL_SETTINGS = ("/etc/ejabberd/ejabberdctl.cfg", "/etc/default/ejabberd")
_USUAL_NODE = "ejabberd@localhost"
_USUAL_SPOOL = "/var/lib/ejabberd"
_NAME = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+")
_SETTING = re.compile(r"""(?:export\s+)?([A-Z_]+)=(?:"([^"$`\\]*)"|'([^']*)'|([^\s"'$`\\;#]*))\s*(?:#.*)?""")
_SIGNS = ("econnrefused", "no-answer", "register/listen error")
"""Of a node that is not there; the last where not even epmd is, as on a machine whose ejabberd is stopped."""
_NO_ANSWER = 4
_VERSION = b"version "
_MAX_SETTINGS = 1 << 20


@dataclass(frozen=True, slots=True)
class Server:
    """One server of the machine, as a container says."""

    node: str
    port: int | None
    """Where it listens for other nodes; None: epmd knows."""
    interface: str
    spool: str
    home: str
    """Of its user: the cookie is there."""
    actor: Actor | None
    """Its user; None: ourselves."""

    @classmethod
    def of(cls, component: Component) -> Server:
        """Raises PluginError, NotSafe."""
        entry, actor = _user(component)
        settings = _settings(component, actor)
        node = component.prop(NODE) or settings.get("ERLANG_NODE", "") or _USUAL_NODE
        if "@" not in node:
            node = f"{node}@localhost"
        if not _NAME.fullmatch(node):
            raise PluginError(f"{node!r} is not a valid node name", f"set {NODE} in the container: ejabberd@localhost")
        port = settings.get("ERL_DIST_PORT", "")
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise PluginError(f"ERL_DIST_PORT is {port!r}, expected a port number", "mend ejabberdctl's settings")
        spool = component.prop(SPOOL) or settings.get("SPOOL_DIR", "") or _USUAL_SPOOL
        home = component.prop(HOME) or entry.pw_dir
        for name, path in ((SPOOL, spool), (HOME, home)):
            if not path.startswith("/"):
                raise PluginError(f"{name} is {path!r}, which is not an absolute path", "write it from / on")
        try:
            real = real_path(posixpath.normpath(spool), setting=SPOOL)
        except OSError as error:
            raise PluginError(f"{spool} cannot be opened ({error.strerror})", "run it as root") from error
        return cls(node, int(port) if port else None, settings.get("INET_DIST_INTERFACE", ""), real, home, actor)

    def command(self, *words: str) -> list[str]:
        """What asks the node."""
        short = "." not in self.node.rpartition("@")[2]
        own = f"dysnomia-{secrets.token_hex(6)}@{self.node.rpartition('@')[2]}"
        options = ["-sname" if short else "-name", own, "-hidden", "-noinput", "-start_epmd", "false"]
        options += ["+S", "1:1", "+A", "1", "+sbwt", "none"]
        if self.interface:
            options += ["-kernel", "inet_dist_use_interface", _address(self.interface)]
        if self.port is not None:
            options += ["-erl_epmd_port", str(self.port), "-dist_listen", "false"]
        return [*as_command(self.actor), "erl", *options, "-eval", PROGRAM, "-extra", self.node, *words]

    @property
    def environment(self) -> Mapping[str, str]:
        """Of that command: where its cookie is, and no file of its memory where it ends badly."""
        return {"HOME": self.home, "ERL_CRASH_DUMP_SECONDS": "0"}

    def ask(self, runner: Runner, *words: str, timeout: float | None = None) -> str:
        """What it prints. Raises PluginError, ServerDown where nobody answers."""
        with self.explained():
            done = runner.run(self.command(*words), env=self.environment, timeout=timeout)
        return done.stdout.decode("utf-8", "replace").strip()

    @contextmanager
    def dumping(self, runner: Runner, on_version: Callable[[str], None]) -> Iterator[BinaryIO]:
        """All rows, as they come; told of the server's version. Raises PluginError, ServerDown."""

        def hear(line: bytes) -> None:
            if line.startswith(_VERSION):
                on_version(line.removeprefix(_VERSION).decode("utf-8", "replace")[:80])

        argv = self.command("dump")
        cut: BadTerms | None = None
        with self.explained(), runner.reading(argv, env=self.environment, on_stderr=hear, patience=PATIENCE) as stream:
            try:
                yield stream
            except BadTerms as error:  # if the program failed, that is why
                cut = error
                while stream.read(1 << 20):
                    pass
        if cut is not None:
            raise cut

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say what a failure of that command means. Raises PluginError, ServerDown."""
        try:
            yield
        except ProcessFailed as error:
            if type(error) is not ProcessFailed:
                raise
            lines = [line.strip() for line in error.stderr.splitlines() if line.strip() and "version " not in line]
            if error.status == _NO_ANSWER or any(sign in line for line in lines for sign in _SIGNS):
                raise ServerDown(
                    f"the node {self.node} is not answering",
                    f"start ejabberd; or set {NODE}, {SETTINGS} and {HOME} (where its .erlang.cookie is)",
                ) from error
            reason = lines[-1][:300] if lines else "it did not say why"
            raise PluginError(f"the node {self.node} could not do it: {reason}", "nothing was kept of it") from error


@dataclass(frozen=True, slots=True)
class State:
    """What a server says of itself."""

    rows: int
    size: int
    users: int
    nodes: int
    version: str
    folder: str

    @classmethod
    def of(cls, server: Server, runner: Runner, timeout: float | None = None) -> State:
        """Raises PluginError, ServerDown."""
        lines = server.ask(runner, "status", timeout=timeout).split("\n")
        words = lines[0].split(" ")
        try:
            rows, size, users, nodes = map(int, words[:4])
        except ValueError:
            raise PluginError(f"the node {server.node} reason something else than its state") from None
        return cls(rows, size, users, nodes, " ".join(words[4:]), lines[1] if lines[1:] else "")


def _user(component: Component) -> tuple[pwd.struct_passwd, Actor | None]:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()), None
    name = component.prop(USER, USUAL_USER)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise PluginError(f"there is no user {name!r} on this machine", f"set {USER} in the container") from None
    if entry.pw_uid == 0:
        raise NotSafe(
            f"{USER} is {name}: nothing of ejabberd is run as root", "run the server as a user of its own, and name it"
        )
    return entry, Actor.of(entry.pw_uid, entry.pw_gid)


def _settings(component: Component, actor: Actor | None) -> Mapping[str, str]:
    """Those of ejabberdctl that are plain assignments. Raises PluginError, NotSafe."""
    wanted = component.prop(SETTINGS)
    if wanted and not wanted.startswith("/"):
        raise PluginError(f"{SETTINGS} is {wanted!r}, which is not an absolute path", "name ejabberdctl.cfg")
    path = wanted or next((path for path in USUAL_SETTINGS if os.path.lexists(path)), "")
    if not path:
        return {}
    try:
        real = real_path(path, setting=SETTINGS)
        with Folder.at(posixpath.dirname(real)) as folder:
            content = folder.read_bytes(posixpath.basename(real), _MAX_SETTINGS)
    except FileNotFoundError:
        if wanted:
            raise PluginError(f"there is no {path}", f"set {SETTINGS} to ejabberdctl.cfg") from None
        return {}
    except OSError as error:
        raise PluginError(f"{path} cannot be read ({error.strerror})", "run it as root") from error
    settings: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        match = _SETTING.fullmatch(line.strip())
        if match is not None:
            settings[match[1]] = match[2] or match[3] or match[4] or ""
    return settings


def _address(text: str) -> str:
    """An address as Erlang writes it."""
    try:
        address = ip_address(text)
    except ValueError:
        raise PluginError(
            f"INET_DIST_INTERFACE is {text!r}, expected an IP address", "mend ejabberdctl's settings"
        ) from None
    if address.version == 4:
        return "{" + ",".join(text.split(".")) + "}"
    return "{" + ",".join(str(int(part, 16)) for part in address.exploded.split(":")) + "}"
