"""Mailboxes are found where Dovecot says that they are, and where guides put them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dysnomia_plugins.base import Component, Finished, Found
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.types.maildir import discover
from dysnomia_plugins.types.maildir.plugin import Maildir, folder_of
from dysnomia_store.names import ComponentKey
from tests.plugins.servers.dovecot import Dovecot

if TYPE_CHECKING:
    from typing import Unpack

    from dysnomia_plugins.interface.context import Argv
    from dysnomia_plugins.interface.options import RunOptions

RUNNER = ProcessRunner(NeverCancelled())


def mailbox(path: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    return path


@pytest.fixture
def doveconf(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What ``doveconf`` says of a setting; the usual places are none of this machine's."""
    settings: dict[str, str] = {}
    monkeypatch.setattr(discover, "_setting", lambda runner, name: settings.get(name, ""))
    monkeypatch.setattr(discover, "USUAL", ())
    return settings


def places(found: list[Found]) -> list[tuple[str, str, Mapping[str, object]]]:
    return [(one.container, one.component, {k: v for k, v in one.properties.items() if k != "type"}) for one in found]


@pytest.mark.parametrize(
    ("location", "home", "folder", "properties"),
    [
        ("maildir:{0}/%d/%n", "", "example.org/alice", {"mailRoot": "{0}/example.org"}),
        ("maildir:{0}/%Ld/%Ln:INDEX=/var/indexes/%u", "", "example.org/alice", {"mailRoot": "{0}/example.org"}),
        ("maildir:{0}/%d/%n/Maildir:LAYOUT=fs", "", "example.org/alice/Maildir",
         {"mailRoot": "{0}/example.org", "mailFolder": "Maildir"}),
        ("maildir:~/Maildir", "{0}/%u", "alice/Maildir", {"mailRoot": "{0}", "mailFolder": "Maildir"}),
        ("maildir:%h/Maildir", "{0}/%d/%n", "example.org/alice/Maildir",
         {"mailRoot": "{0}/example.org", "mailFolder": "Maildir"}),
        ("maildir:{0}/%{{domain}}/%{{user}}", "", "example.org/alice", {"mailRoot": "{0}/example.org"}),
    ],
)  # fmt: skip
def test_where_dovecot_keeps_mail(
    location: str, home: str, folder: str, properties: Mapping[str, str], tmp_path: Path, doveconf: dict[str, str]
) -> None:
    mailbox(tmp_path / folder)
    (tmp_path / "example.org" / "none").mkdir(parents=True, exist_ok=True)
    doveconf["mail_location"], doveconf["mail_home"] = location.format(tmp_path), home.format(tmp_path)
    found = list(discover.discover(RUNNER))
    container = "example.org" if "example.org" in folder else "mail"
    expected = {name: value.format(tmp_path) for name, value in properties.items()}
    assert places(found) == [(container, "alice", expected)]
    key = ComponentKey.of(container, "alice")
    assert folder_of(Component(key, tmp_path, found[0].properties)) == str(tmp_path / folder)


@pytest.mark.parametrize("driver", ["mbox", "sdbox", "mdbox", "imapc"])
def test_what_is_no_maildir_is_named(driver: str, doveconf: dict[str, str]) -> None:
    doveconf["mail_location"] = f"{driver}:~/mail"
    [found] = discover.discover(RUNNER)
    assert not found.readable
    assert f"{driver} is not handled" in found.detail


@pytest.mark.parametrize("location", ["", "maildir:/mail/%1n/%n", "maildir:relative/%n", "maildir:", "maildir:/mail"])
def test_what_cannot_be_told_finds_nothing(location: str, doveconf: dict[str, str]) -> None:
    doveconf["mail_location"] = location
    assert list(discover.discover(RUNNER)) == []


class _Asking(ProcessRunner):
    """Asks for the settings of the tests' own server."""

    def __init__(self, config: Path) -> None:
        super().__init__(NeverCancelled())
        self._config = str(config)

    def run(self, argv: Argv, **options: Unpack[RunOptions]) -> Finished:
        return super().run([argv[0], "-c", self._config, *argv[1:]], **options)


@pytest.mark.server
def test_doveconf_itself_is_asked(dovecot: Dovecot) -> None:
    dovecot.deliver("bob@found.example.org", "one")
    found = [one for one in discover.discover(_Asking(dovecot.config)) if one.component == "bob"]
    assert places(found) == [("found.example.org", "bob", {"mailRoot": f"{dovecot.mail}/found.example.org"})]


def test_roots_of_one_name_get_containers_of_their_own(
    tmp_path: Path, doveconf: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox(tmp_path / "a" / "x.org" / "alice")
    mailbox(tmp_path / "b" / "x.org" / "alice")
    monkeypatch.setattr(discover, "USUAL", (f"{tmp_path}/a/%d/%n", f"{tmp_path}/b/%d/%n"))
    assert [one.container for one in discover.discover(RUNNER)] == ["x.org", "x.org-2"]


def test_links_are_not_followed(tmp_path: Path, doveconf: dict[str, str]) -> None:
    mailbox(tmp_path / "elsewhere" / "alice")
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "alice").symlink_to(tmp_path / "elsewhere" / "alice")
    doveconf["mail_location"] = f"maildir:{tmp_path}/mail/%n"
    assert list(discover.discover(RUNNER)) == []


def test_a_container_with_all_accounts(tmp_path: Path) -> None:
    mailbox(tmp_path / "alice" / "Maildir")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "linked").symlink_to("alice")
    key = ComponentKey.of("mail", "*")
    component = Component(key, tmp_path, {"type": "maildir", "mailRoot": str(tmp_path), "mailFolder": "Maildir"})
    listed = list(Maildir().list_state(component, RUNNER).all)
    assert [(one.name, one.idle, bool(one.why_not)) for one in listed] == [
        ("alice", False, False), ("empty", True, False), ("linked", False, True),
    ]  # fmt: skip
    gone = Component(key, tmp_path, {"type": "maildir", "mailRoot": str(tmp_path / "gone")})
    with pytest.raises(PluginError):
        Maildir().list_state(gone, RUNNER)


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({}, "has no mailRoot"),
        ({"mailRoot": "mail"}, "not absolute"),
        ({"mailRoot": "/mail", "mailFolder": "../x"}, "leads out"),
        ({"mailRoot": "/mail", "mailFolder": "/x"}, "leads out"),
    ],
)
def test_what_is_configured_wrongly_is_said(properties: Mapping[str, str], message: str, tmp_path: Path) -> None:
    component = Component(ComponentKey.of("mail", "alice"), tmp_path, {"type": "maildir", **properties})
    with pytest.raises(PluginError, match=message):
        folder_of(component)
