"""The server's configuration, read here and obeyed by nobody but the server's own user.

It is a folder (``slapd.d``: the tree below ``cn=config`` as LDIF files) or one file (``slapd.conf``, with includes). It
names modules to be loaded, so whoever may write it runs code in OpenLDAP's programs: they run as the owner of the
database, and only where nobody but root and that owner may write the configuration. For a database somewhere else they
are given a copy of it that differs in that folder alone. Sources: slapd-config(5), slapd.conf(5) of OpenLDAP 2.5.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from dysnomia_base.ownership import why_not_obeyed, why_not_status
from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import Actor, acting_as
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import write_all
from dysnomia_plugins.toolkit.guarded.walking import walk
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.types.openldap.ldif import attribute_of, folded, logical_lines, value_of

CONFIG = "ldapConfig"
SUFFIX = "ldapSuffix"
USUAL = ("/etc/ldap/slapd.d", "/etc/ldap/slapd.conf", "/etc/openldap/slapd.d", "/etc/openldap/slapd.conf")
FILE = "slapd.conf"
"""What a copy of one file is called."""
KIND = "mdb"
_ENTRY = re.compile(r"olcDatabase=\{(\d+)\}(\w+)\.ldif")
_TAKEN = ("olcsuffix", "olcdbdirectory", "olcsyncrepl", "olcmultiprovider", "olcmirrormode")
_WRITTEN = ("multiprovider", "mirrormode")
_YES = ("on", "true", "yes", "1")
_PROVIDES = re.compile(r"olcOverlay=\{\d+\}syncprov\.ldif")
_ADDRESS = re.compile(r'\bprovider="?([^"\s]+)', re.IGNORECASE)
_ABOVE = "cn=config"
_MAX_FILE = 16 << 20
_MAX_INCLUDES = 200
_MAX_DEPTH = 12
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the server."""

    number: int
    """As ``slapcat -n`` has it."""
    kind: str
    suffixes: tuple[str, ...]
    folder: str
    providers: tuple[str, ...] = ()
    """Servers that it copies its entries from (``syncrepl``)."""
    provides: bool = False
    """Whether others copy from it (the overlay ``syncprov``)."""
    written: bool = False
    """Whether clients may write to it, though it copies from others (``multiprovider``)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One logical line of a ``slapd.conf``."""

    text: str
    words: tuple[str, ...]
    number: int
    """Of the database that it is about; 0 before the first."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A server's configuration."""

    path: str
    """Without links that others could have made."""
    tree: bool
    """Whether it is a folder."""
    reader: Actor | None
    """As whom it is read: its owner."""

    @classmethod
    def of(cls, component: Component) -> Configuration:
        """Raises PluginError, NotSafe."""
        wanted = component.prop(CONFIG)
        if wanted and not wanted.startswith("/"):
            raise PluginError(f"{CONFIG} is {wanted!r}, which is not an absolute path", "name slapd.d or slapd.conf")
        path = wanted or next((path for path in USUAL if os.path.lexists(path)), "")
        if not path:
            raise PluginError(
                f"no configuration of OpenLDAP's server is at {' or '.join(USUAL[:2])}",
                f"set {CONFIG} in the container {component.key.container}",
            )
        return cls.at(path)

    @classmethod
    def at(cls, path: str) -> Configuration:
        """Raises PluginError, NotSafe."""
        try:
            real = real_path(path, setting=CONFIG)
            with Folder.at(posixpath.dirname(real)) as above:
                seen = above.seen(posixpath.basename(real))
        except OSError as error:
            raise PluginError(f"{path} cannot be read ({error.strerror})", "run it as root") from error
        if seen is None:
            raise PluginError(f"there is no {path}", f"set {CONFIG} to the server's slapd.d or slapd.conf")
        foreign = os.geteuid() == 0 and seen.st_uid != 0
        reader = Actor.of(seen.st_uid, seen.st_gid) if foreign else None
        return cls(real, stat.S_ISDIR(seen.st_mode), reader)

    def databases(self) -> Sequence[Database]:
        """All of the server's, with a suffix. Raises PluginError."""
        return [one for one in (self._of_tree() if self.tree else self._of_file()) if one.suffixes]

    def database(self, component: Component) -> Database:
        """The component's: of the suffix that it is called as. Raises PluginError where there is none of a kind that
        can be handled."""
        wanted = component.prop(SUFFIX) or component.key.component
        databases = self.databases()
        for one in databases:
            if folded(wanted) in map(folded, one.suffixes):
                if one.kind != KIND:
                    raise PluginError(f"{wanted} is a database of kind {one.kind}", f"only {KIND} is handled")
                if not one.folder.startswith("/"):
                    raise PluginError(f"{self.path} names no absolute folder for {wanted}", "set olcDbDirectory")
                return one
        suffixes = ", ".join(suffix for one in databases for suffix in one.suffixes) or "none"
        raise PluginError(
            f"{self.path} has no database with the suffix {wanted!r}; it has: {suffixes}",
            f"call the component as its suffix, or set {SUFFIX} in the container",
        )

    # The folder.

    def _of_tree(self) -> Iterator[Database]:
        files = list(self._files())
        providing = {posixpath.dirname(name) for name, _ in files if _PROVIDES.fullmatch(posixpath.basename(name))}
        for name, content in files:
            match = _ENTRY.fullmatch(posixpath.basename(name))
            if match is None or posixpath.dirname(name) != _ABOVE:
                continue
            values: dict[str, list[str]] = {}
            for line in logical_lines(content):
                if attribute_of(line) in _TAKEN:
                    value = value_of(line).decode("utf-8", "surrogateescape")
                    values.setdefault(attribute_of(line), []).append(value)
            folder = next(iter(values.get("olcdbdirectory", [])), "")
            yield Database(
                int(match[1]), match[2], tuple(values.get("olcsuffix", ())), folder,
                tuple(map(_provider, values.get("olcsyncrepl", ()))), name.removesuffix(".ldif") in providing,
                "TRUE" in values.get("olcmultiprovider", values.get("olcmirrormode", ())),
            )  # fmt: skip

    def _files(self) -> Iterator[tuple[str, bytes]]:
        """Every file below the folder by its relative path. Raises PluginError, NotSafe."""
        with acting_as(self.reader):
            try:
                with Folder.at(self.path) as top:
                    entries = list(self._below(top, "", 0))
            except OSError as error:
                raise PluginError(f"{self.path} cannot be read ({error.strerror})", "run it as root") from error
        yield from entries

    def _below(self, folder: Folder, path: str, depth: int) -> Iterator[tuple[str, bytes]]:
        if depth > _MAX_DEPTH:
            raise NotSafe(f"{folder.path} is nested too deep for a configuration", f"check {CONFIG}")
        for name in folder.names():
            seen = folder.seen(name)
            if seen is not None and stat.S_ISDIR(seen.st_mode):
                with folder.folder(name) as deeper:
                    yield from self._below(deeper, posixpath.join(path, name), depth + 1)
            elif seen is not None and stat.S_ISREG(seen.st_mode) and name.endswith(".ldif"):
                yield posixpath.join(path, name), folder.read_bytes(name, _MAX_FILE)

    # The file.

    def _of_file(self) -> Iterator[Database]:
        databases: dict[int, tuple[str, list[str], list[str]]] = {}
        providers: dict[int, tuple[str, ...]] = {}
        providing: set[int] = set()
        written: set[int] = set()
        for line in self._lines():
            word = line.words[0].lower() if line.words else ""
            if word == "database" and line.words[1:] and line.number:
                databases[line.number] = (line.words[1].lower(), [], [])
            elif word == "suffix" and line.number in databases:
                databases[line.number][1].extend(line.words[1:])
            elif word == "directory" and line.number in databases:
                databases[line.number][2].extend(line.words[1:2])
            elif word == "syncrepl":
                providers[line.number] = (*providers.get(line.number, ()), _provider(line.text))
            elif word == "overlay" and line.words[1:2] == ("syncprov",):
                providing.add(line.number)
            elif word in _WRITTEN and line.words[1:2] and line.words[1].lower() in _YES:
                written.add(line.number)
        for number, (kind, suffixes, folders) in databases.items():
            folder = (folders or [""])[0]
            copies, provides = providers.get(number, ()), number in providing
            yield Database(number, kind, tuple(suffixes), folder, copies, provides, number in written)

    def _lines(self) -> Iterator[Line]:
        """Those of the file, those of included ones in their place. Raises PluginError."""
        number = 0
        waiting = [self._text(self.path, self.reader)]
        opened = 1
        counted = False
        while waiting:
            lines, reader = waiting[-1]
            text = next(lines, None)
            if text is None:
                waiting.pop()
                continue
            words = tuple(quoted or plain for quoted, plain in _WORD.findall(text))
            word = words[0].lower() if words else ""
            if word == "include" and words[1:]:
                opened += 1
                if opened > _MAX_INCLUDES:
                    raise PluginError(
                        f"{self.path} includes more than {_MAX_INCLUDES} files", "look for a file that includes itself"
                    )
                waiting.append(self._text(words[1], reader))
                continue
            if word == "database":
                kind = words[1].lower() if words[1:] else ""
                counted = kind not in ("config", "frontend")
                number += counted
            yield Line(text, words, number if counted else 0)

    def _text(self, path: str, reader: Actor | None) -> tuple[Iterator[str], Actor | None]:
        """A file's logical lines, and as whom it was read: files that it includes are read so as well.

        What a file of another user includes must not be read with root's rights. Raises PluginError."""
        if not path.startswith("/"):
            raise PluginError(
                f"{self.path} includes {path!r}, which is not an absolute path", "name it by its whole path"
            )
        try:
            folder_path, name = posixpath.split(real_path(path, setting=CONFIG))
            with acting_as(reader), Folder.at(folder_path) as folder, folder.file(name) as descriptor:
                seen = os.fstat(descriptor)
                content = os.read(descriptor, _MAX_FILE)
        except OSError as error:
            raise PluginError(f"{path} cannot be read ({error.strerror})", "run it as root") from error
        if reader is None and os.geteuid() == 0 and seen.st_uid != 0:
            reader = Actor.of(seen.st_uid, seen.st_gid)
        lines: list[str] = []
        for line in content.decode("utf-8", "surrogateescape").splitlines():
            if line[:1] in (" ", "\t") and lines:
                lines[-1] += " " + line.strip()
            elif line.strip() and not line.startswith("#"):
                lines.append(line)
        return iter(lines), reader

    # For OpenLDAP's programs.

    def refuse_for(self, actor: Actor | None) -> None:
        """Raises PluginError; NotSafe where somebody else than root and whom the programs run as (None: root) may
        write what they would obey: it names modules, which would run as that user."""
        if os.geteuid() != 0:
            return
        uid, name = (0, "root") if actor is None else (actor.uid, str(actor))
        paths = [self.path]
        try:
            if not self.tree:
                paths += self._included()
            reasons = chain(((path, why_not_obeyed(path, uid)) for path in paths), self._reasons_below(uid))
            path, reason = next(((path, reason) for path, reason in reasons if reason), (self.path, ""))
        except OSError as error:
            raise PluginError(
                f"{error.filename or self.path} cannot be read ({error.strerror})", "run it as root"
            ) from error
        if reason:
            raise NotSafe(
                f"{path} is not obeyed as {name}: {reason.replace('nor you', f'nor {name}')}",
                "give the configuration and the database's folder to the server's user, and let nobody else write them",
            )

    def _included(self) -> Iterator[str]:
        waiting = [self.path]
        for _ in range(_MAX_INCLUDES):
            if not waiting:
                return
            for text in self._text(waiting.pop(), self.reader)[0]:
                words = [quoted or plain for quoted, plain in _WORD.findall(text)]
                if words[:1] and words[0].lower() == "include" and words[1:]:
                    waiting.append(words[1])
                    yield words[1]

    def _reasons_below(self, uid: int) -> Iterator[tuple[str, str]]:
        for path, seen in self._statuses() if self.tree else ():
            reason = why_not_status(seen, uid)
            yield path, f"it {reason}" if reason else ""

    def _statuses(self) -> Iterator[tuple[str, os.stat_result]]:
        with Folder.at(self.path) as top:
            for at, _, names, folder in walk(top.descriptor):
                yield top.shown(at), os.fstat(folder)
                for name in names:
                    yield top.shown(posixpath.join(at, name)), os.lstat(name, dir_fd=folder)

    def write_copy(self, target: Folder, database: Database, folder: str) -> None:
        """The same configuration in an empty folder, but that the database's files are in ``folder``.

        Raises PluginError, OSError."""
        if self.tree:
            self._copy_tree(target, database, folder)
            return
        lines: list[str] = []
        for line in self._lines():
            ours = line.number == database.number and line.words[:1] and line.words[0].lower() == "directory"
            lines.append(f'directory "{folder}"' if ours else line.text)
        with target.new_file(FILE) as descriptor:
            write_all(descriptor, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))

    def _copy_tree(self, target: Folder, database: Database, folder: str) -> None:
        for path, content in self._files():
            name = posixpath.basename(path)
            match = _ENTRY.fullmatch(name)
            if match is not None and int(match[1]) == database.number and posixpath.dirname(path) == _ABOVE:
                lines = (line for line in logical_lines(content) if attribute_of(line) != "olcdbdirectory")
                where = f"olcDbDirectory: {folder}".encode()
                content = b"".join(line + b"\n" for line in chain(lines, [where]))
            with _made(target, posixpath.dirname(path)) as parent, parent.new_file(name) as descriptor:
                write_all(descriptor, content)


def _provider(text: str) -> str:
    """The address in a ``syncrepl``, which holds a password besides."""
    match = _ADDRESS.search(text)
    return match[1] if match else "another server"


def _made(top: Folder, path: str) -> Folder:
    """A folder below one of ours that nobody else can reach, made where it is not there."""
    folder = Folder(os.dup(top.descriptor), top.path)
    for part in filter(None, path.split("/")):
        try:
            deeper = folder.make_folder(part)
        except FileExistsError:
            deeper = folder.folder(part)
        folder.close()
        folder = deeper
    return folder
