"""Snapshot and load of an OpenLDAP directory of 20,000 entries, against its own ``slapcat`` and ``slapadd`` with zstd.

Both in this process, so that no start of Python is in it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.openldap.plugin import OpenldapDirectory
from dysnomia_store.names import ComponentKey
from tests.benchmarks.alone import Alone
from tests.benchmarks.measure import Figure, Part, in_turns, ratio, shell
from tests.plugins.servers.openldap import SlapdServer

SUFFIX, ENTRIES = "dc=bench", 20_000


def measure() -> Sequence[Figure]:
    """The figures. Raises AssertionError where a step fails."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    server = SlapdServer(SUFFIX)
    try:
        base = f"dn: {SUFFIX}\nobjectClass: domain\ndc: bench\n\n"
        server.slapadd("".join((base, *map(_entry, range(ENTRIES)))).encode(), None, "-q")
        server.start()
        return _measure(server, folder)
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _entry(number: int) -> str:
    password = f"{{SSHA}}{number * 7919:032x}"
    return (
        f"dn: uid=u{number},{SUFFIX}\nobjectClass: inetOrgPerson\nuid: u{number}\ncn: Person {number}\nsn: P{number}\n"
        f"mail: u{number}@example.org\ntelephoneNumber: +49 {number:07d}\nuserPassword: {password}\n\n"
    )


def _measure(server: SlapdServer, folder: Path) -> Sequence[Figure]:
    component = Component(ComponentKey.of("ldap", SUFFIX), folder / "component", dict(server.properties))
    work = Alone(folder, OpenldapDirectory(), component)
    dump = folder / "dump.ldif.zst"

    def own_load() -> float:
        (folder / "own").mkdir()
        words = f"/usr/sbin/slapadd -q -f {server.on('.')} -n {server.number}"
        taken = shell(f"cd {folder / 'own'}; zstd -q -dc {dump} | {words}")
        shutil.rmtree(folder / "own")
        return taken

    words = f"/usr/sbin/slapcat -g -o ldif-wrap=no -f {server.on('.')} -n {server.number}"
    pipe = f"cd {server.folder}; {words} | zstd -q -f -T2 -3 -o {dump}"
    ours, theirs = in_turns(work.snapshot, lambda: shell(pipe))
    title = f"snapshot, OpenLDAP, {ENTRIES:,} entries"
    figures = [ratio(title, ours, "slapcat | zstd -T2 -3", theirs, 1.25)]
    ours, theirs = in_turns(work.load, own_load)
    return [*figures, ratio("restore, same, beside live and compared", ours, "zstd -dc | slapadd", theirs, 1.25)]


PARTS = (Part("openldap", measure, order=16, by_name=True),)
