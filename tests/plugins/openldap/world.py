"""The conformance world of OpenLDAP: one database of a server of its own, read and changed with OpenLDAP's programs."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.openldap.plugin import OpenldapDirectory
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.openldap.changes import CHANGES, seed_ldif
from tests.plugins.servers.openldap import PASSWORD, SlapdServer

SUFFIX = "dc=it's,dc=org"
WRITER = r"""
n=0
while :; do
  printf 'dn: cn=%s,ou=log,%s\nobjectClass: organizationalRole\ncn: %s\n' "$n" "$3" "$n" |
    ldapadd -x -H "$1" -D "cn=admin,$3" -w "$4" >/dev/null 2>&1 && echo $n >>"$2"
  n=$((n+1))
done
"""
"""Adds an entry of its own a number, each by a client of its own."""


class LdapWriter(ProgramWriter):
    """A number is logged when ``ldapadd`` has ended with 0."""

    def __init__(self, server: SlapdServer, log: Path) -> None:
        super().__init__(
            log, ["bash", "-c", WRITER, "writer", server.uri, str(log), server.suffix, PASSWORD],
            env={"PATH": "/usr/bin:/bin", "LDAPNOINIT": "1"},
        )  # fmt: skip


class LdapWorld(World):
    """A server as Debian sets one up, its database in a folder of its own."""

    def __init__(self, folder: Path, server: SlapdServer | None = None) -> None:
        self.plugin = OpenldapDirectory()
        self.folder = folder
        self.server = server or SlapdServer(SUFFIX)
        initial = folder / "component" / "openldap-directories"
        initial.mkdir(parents=True)
        (initial / "1.ldif").write_text(seed_ldif(self.server.suffix))
        key = ComponentKey.of("ldap", self.server.suffix)
        self.component = Component(key, initial.parent, dict(self.server.properties))
        try:
            self.server.start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def seed(self) -> None:
        suffix = self.server.suffix
        self.server.modify(seed_ldif(suffix))
        self.server.modify(f"dn: ou=log,{suffix}\nobjectClass: organizationalUnit\nou: log\n")

    def at(self, place: Place | None) -> Path:
        return Path(place.name) if place else self.server.folder

    def whole(self, place: Place | None = None) -> object:
        """All entries as ``slapcat`` has them, with owner and mode of the folder and the file."""
        entries = self.server.slapcat(self.at(place))
        if not entries:
            return None
        seen = [path.stat() for path in (self.at(place), self.at(place) / "data.mdb")]
        return entries, [(one.st_uid, one.st_mode) for one in seen]

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        return f"{name}: {CHANGES[name](self.server, random)}"

    def touch(self) -> str:
        """syncprov writes its contextCSN when the server stops."""
        self.server.stop()
        (self.server.folder / "lock.mdb").unlink()
        (self.server.folder / "data.mdb").touch()
        self.server.start()
        return "server stopped and started, times, the table of readers"

    def grow(self, size: int) -> None:
        self.server.stop()
        random = Random(1)
        big = self.server.home / "big.ldif"
        with big.open("wb") as file:
            for number in range((size >> 20) + 1):
                photo = base64.b64encode(random.randbytes(1 << 20))
                head = (
                    f"dn: cn=big {number},ou=log,{self.server.suffix}\nobjectClass: inetOrgPerson\ncn: big {number}\n"
                )
                file.write(head.encode() + b"sn: x\njpegPhoto:: " + photo + b"\n\n")
        self.server.slapadd(b"", None, "-q", "-l", str(big))
        big.unlink()
        self.server.start()

    def some_sections(self) -> tuple[str, ...]:
        suffix = self.server.suffix
        return (f"entry:uid=bob,ou=people,{suffix}", rf"entry:cn=a\2C b\2Bc,ou=groups,{suffix}")

    def part(self, place: Place | None = None) -> object:
        names = [one.partition(":")[2].encode() for one in self.some_sections()]
        return [one for one in self.server.slapcat(self.at(place)) if one.split(b"\n")[0][4:] in names]

    def spoil(self, place: Place) -> None:
        entry = f"dn: ou=spoilt,{self.server.suffix}\nobjectClass: organizationalUnit\nou: spoilt\n"
        self.server.slapadd(entry.encode(), self.at(place))

    def writer(self, log: Path) -> Writer:
        return LdapWriter(self.server, log)

    def written(self, place: Place | None = None) -> set[int]:
        names = (one.split(b"\n")[0][4:].decode() for one in self.server.slapcat(self.at(place)))
        return {int(name.partition(",")[0][3:]) for name in names if f",ou=log,{self.server.suffix}" in name}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.server.folder.with_name("away")
        self.server.folder.rename(away)
        try:
            yield
        finally:
            away.rename(self.server.folder)
