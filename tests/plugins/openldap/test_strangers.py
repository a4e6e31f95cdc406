"""Servers' owners and snapshots of somebody who means no good, and what is shown to nobody."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.openldap import discover, ldif
from dysnomia_plugins.types.openldap.config import Configuration
from dysnomia_plugins.types.openldap.places import Layout
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.watching import seen_arguments
from tests.plugins.openldap.world import SUFFIX, LdapWorld
from tests.plugins.other_user import needs_root

pytestmark = pytest.mark.server
WORLD = LdapWorld
SPY = """#include <stdio.h>
int init_module(int c, char **v) { FILE *f = fopen("MARK", "w"); if (f) fclose(f); return 0; }
"""


def read(text: bytes) -> list[ldif.Record]:
    return list(ldif.records(io.BytesIO(text)))


@needs_root
def test_nothing_of_the_servers_owner_runs_as_root(world: LdapWorld, driver: Driver) -> None:
    """A module that the owner names in the configuration leaves a file: whose it is tells who ran it."""
    world.seed()
    source = world.server.home / "run" / "spy.c"
    spy, mark = source.with_suffix(".so"), world.server.home / "run" / "mark"
    source.write_text(SPY.replace("MARK", str(mark)))
    compiled = os.spawnlp(os.P_WAIT, "cc", "cc", "-shared", "-fPIC", "-o", str(spy), str(source))
    if compiled != 0:
        pytest.skip("there is no C compiler")
    assert world.server.tree is not None
    modules = next((world.server.tree / "cn=config").glob("cn=module*.ldif"))
    modules.write_text(modules.read_text().rstrip("\n") + f"\nolcModuleLoad: {{9}}{spy}\n")
    number = driver.snapshot().generation.number
    assert mark.stat().st_uid == world.server.user.pw_uid
    mark.unlink()
    driver.restore(number)
    assert mark.stat().st_uid == world.server.user.pw_uid


@needs_root
def test_where_root_would_obey_what_others_write_it_is_refused(world: LdapWorld, driver: Driver) -> None:
    """The database is root's, and the configuration is another user's."""
    world.seed()
    world.server.stop()
    for path in (world.server.folder, *world.server.folder.iterdir()):
        os.chown(path, 0, 0)
    with pytest.raises(NotSafe, match="not obeyed as root"):
        driver.snapshot()


def test_not_everybody_whose_process_is_called_slapd_is_believed(tmp_path: Path) -> None:
    """Whose the process is, and whose the configuration: discovery names a container for it."""
    own = tmp_path.stat().st_uid
    assert discover._is_a_server({0}, str(tmp_path))
    assert discover._is_a_server({own}, str(tmp_path))
    assert not discover._is_a_server({4321}, str(tmp_path))
    assert not discover._is_a_server({0, 4321}, str(tmp_path))
    assert discover._is_a_server({112}, "/etc")
    assert not discover._is_a_server({112}, str(tmp_path / "gone"))


@needs_root
def test_a_configuration_of_another_system_account_is_not_found_by_its_server(tmp_path: Path) -> None:
    os.chown(tmp_path, 113, 113)
    assert not discover._is_a_server({112}, str(tmp_path))
    assert discover._is_a_server({113}, str(tmp_path))
    os.chown(tmp_path, 4321, 4321)
    assert not discover._is_a_server({4321}, str(tmp_path))


@needs_root
def test_nothing_of_a_configuration_runs_as_another_user(world: LdapWorld, driver: Driver) -> None:
    """The configuration's owner names the folder of somebody else as the database's, and modules."""
    world.seed()
    world.server.stop()
    for path in (world.server.folder, *world.server.folder.iterdir()):
        os.chown(path, 65534, 65534)
    with pytest.raises(NotSafe, match=r"not obeyed as nobody: .* neither root nor nobody"):
        driver.snapshot()


@needs_root
def test_a_configuration_that_others_may_write_is_not_obeyed(world: LdapWorld, driver: Driver) -> None:
    world.seed()
    assert world.server.tree is not None
    part = world.server.tree / "cn=config.ldif"
    part.chmod(0o602)
    with pytest.raises(NotSafe, match="may be written by everyone"):
        driver.snapshot()
    part.chmod(0o600)
    driver.snapshot()


@needs_root
def test_an_include_of_a_stranger_is_not_obeyed(world: LdapWorld) -> None:
    own = world.server.home / "own.conf"
    own.write_text("# a stranger's\n")
    os.chown(own, 4321, 4321)
    conf = world.server.home / "mine.conf"
    conf.write_text(f"include {own}\ndatabase mdb\nsuffix dc=x\ndirectory {world.server.folder}\n")
    actor = Layout.of(str(world.server.folder)).actor()
    with pytest.raises(NotSafe, match=r"own\.conf belongs to user 4321"):
        Configuration.at(str(conf)).refuse_for(actor)
    world.server.give(own)
    Configuration.at(str(conf)).refuse_for(actor)


@needs_root
def test_a_link_in_the_place_of_the_database_leads_nowhere(world: LdapWorld, driver: Driver, tmp_path: Path) -> None:
    """The owner of the folder replaces its files by links to what only root may write."""
    world.seed()
    number = driver.snapshot().generation.number
    world.server.stop()
    target = tmp_path / "target"
    target.write_bytes(b"root's")
    target.chmod(0o600)
    data = world.server.folder / "data.mdb"
    data.unlink()
    data.symlink_to(target)
    (world.server.folder / "lock.mdb").unlink(missing_ok=True)
    (world.server.folder / "lock.mdb").symlink_to(target)
    with pytest.raises(PluginError):
        driver.snapshot()
    driver.restore(number)
    assert data.is_file() and not data.is_symlink()  # noqa: PT018
    assert target.read_bytes() == b"root's"
    assert target.stat().st_uid == 0


@pytest.mark.parametrize("name", ["data.mdb", "lock.mdb"])
def test_a_pipe_in_the_place_of_the_database_is_refused_at_once(world: LdapWorld, driver: Driver, name: str) -> None:
    world.seed()
    world.server.stop()
    (world.server.folder / name).unlink(missing_ok=True)
    os.mkfifo(world.server.folder / name)
    with pytest.raises(NotSafe, match=f"{name} is not a file of OpenLDAP"):
        driver.snapshot()


@needs_root
def test_an_include_of_another_user_is_not_read_as_root(tmp_path: Path, world: LdapWorld) -> None:
    secret = tmp_path / "secret.conf"
    secret.write_text("# root's\nsuffix dc=secret\n")
    secret.chmod(0o600)
    own = world.server.folder / "own.conf"
    own.write_text(f"include {secret}\n")
    world.server.give(own)
    conf = world.server.home / "mine.conf"
    conf.write_text(f"include {own}\ndatabase mdb\nsuffix dc=x\ndirectory /nowhere\n")
    with pytest.raises(PluginError, match="cannot be read"):
        Configuration.at(str(conf)).databases()


def test_values_that_are_to_be_read_from_files_are_refused() -> None:
    """slapadd would read them with the rights of the server's user."""
    record = read(b"dn: dc=x\nobjectClass: top\ndescription:< file:///etc/passwd\n\n")[0]
    with pytest.raises(ldif.BadLdif, match="file or address"):
        ldif.refuse_urls(record)
    wrapped = read(b"dn: dc=x\nobjectClass: top\ndescription:\n < file:///etc/passwd\n\n")[0]
    with pytest.raises(ldif.BadLdif):
        ldif.refuse_urls(wrapped)
    ldif.refuse_urls(read(b"dn: dc=x\ndescription: :< is no address\n\n")[0])


def test_a_file_of_entries_that_is_named_is_not_read(world: LdapWorld, tmp_path: Path) -> None:
    """slapadd would: what it reads with its rights would be in the directory."""
    secret = world.server.home / "secret.ldif"
    secret.write_text(f"dn: {SUFFIX}\nobjectClass: organization\nobjectClass: dcObject\no: secret\ndc: it's\n")
    secret.chmod(0o644)
    named = f"include: file://{secret}\n\n".encode()
    world.server.stop()
    (world.server.folder / "data.mdb").unlink()
    world.server.slapadd(named)
    assert b"secret" in world.server.slapcat()[0], "OpenLDAP reads it"
    with pytest.raises(ldif.BadLdif):
        read(named)
    for text in (
        b"dn: dc=x\ninclude: file:///x\n\n",
        b"dn: dc=x\nINCLUDE : file:///x\n\n",
        b"dn: dc=x\nincl\n ude: x\n\n",
    ):
        with pytest.raises(ldif.BadLdif, match="include"):
            ldif.refuse_urls(read(text)[0])


@pytest.mark.parametrize("text", [b"x" * 100, b"changetype: add\n", b"dn\n: x\n", b"\0\0\0\0", b"dn:: ###\n"])
def test_what_is_no_ldif_is_refused(text: bytes) -> None:
    with pytest.raises(ldif.BadLdif):
        read(text + b"\n\n")


def test_an_entry_without_an_end_is_refused_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldif, "MAX_RECORD", 1 << 20)
    with pytest.raises(ldif.BadLdif, match="more than"):
        read(b"dn: dc=x\ndescription: " + b"x" * (3 << 20))


def test_other_tools_ldif_is_read() -> None:
    text = b"# a comment\nversion: 1\n\ndn: dc=x,\n dc=org\ncn: a\n\n\n# more\ndn:: ZGM9eQ==\ncn: b\n"
    assert [one.dn for one in read(text)] == ["dc=x,dc=org", "dc=y"]
    text = text.replace(b"\n", b"\r\n")
    assert [one.dn for one in read(text)] == ["dc=x,dc=org", "dc=y"]


def test_secrets_are_not_shown(world: LdapWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    stored = driver.store.stored(driver.key, driver.ids()[number])
    lines = [
        world.plugin.parse_row(section, raw).cells[0] or ""
        for section in stored.sections()
        for batch in world.plugin.raw_rows(stored, section)
        for raw in batch
    ]
    assert "userPassword: (hidden)" in lines
    assert "displayName: (hidden)" not in lines
    assert any(line.startswith("description:  begins with a space, ü") for line in lines)
    assert not any("plain-" in line or "cGxhaW4t" in line for line in lines)
    assert ldif.shown(b"userPassword;x-a:: eHh4") == "userPassword;x-a: (hidden)"
    assert ldif.shown(b"USERPASSWORD: x") == "USERPASSWORD: (hidden)"


def test_no_secret_is_an_argument(world: LdapWorld, driver: Driver) -> None:
    world.seed()
    with seen_arguments() as seen:
        number = driver.snapshot().generation.number
        driver.restore(number)
    programs = [words for words in seen if "slapcat" in words or "slapadd" in words]
    assert programs
    assert not any("plain-" in words or "secret of" in words for words in programs)


def test_what_is_kept_beside_stays_and_the_owner_too(world: LdapWorld, driver: Driver) -> None:
    world.seed()
    kept = world.server.folder / "DB_CONFIG"
    kept.write_text("an old file")
    world.server.folder.chmod(0o750)
    before = world.server.folder.stat()
    driver.restore(driver.snapshot().generation.number)
    after = world.server.folder.stat()
    assert kept.read_text() == "an old file"
    assert (before.st_ino, before.st_mode, before.st_uid) == (after.st_ino, after.st_mode, after.st_uid)
    assert stat.S_IMODE((world.server.folder / "data.mdb").stat().st_mode) == 0o600
    assert not [one for one in world.server.folder.iterdir() if one.name.startswith(".dysnomia")]


def test_a_database_that_is_not_there_is_named(world: LdapWorld) -> None:
    component = replace(world.component, properties={**world.component.properties, "ldapSuffix": "dc=other"})
    with pytest.raises(PluginError, match=f"it has: {SUFFIX}"):
        world.plugin.live(component)
    spaced = replace(world.component, properties={**world.component.properties, "ldapSuffix": "DC = it's , dc=ORG"})
    assert world.plugin.live(spaced) == Layout.of(str(world.server.folder)).live
