"""Where supervisord is said to be reached."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.supervisord.address import address


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "supervisord.conf"


@pytest.mark.parametrize(
    ("text", "shown", "port"),
    [
        ("[supervisorctl]\nserverurl=unix:///run/supervisor.sock ; by name\n", "unix:///run/supervisor.sock", 0),
        ("[supervisorctl]\nserverurl = http://127.0.0.1:9002\n", "http://127.0.0.1:9002", 9002),
        ("[supervisord]\nnodaemon=true\n", "http://localhost:9001", 9001),
    ],
)
def test_it_is_where_its_client_finds_it(file: Path, text: str, shown: str, port: int) -> None:
    file.write_text(text)
    found = address([file.with_name("none.conf"), file])
    assert (found.shown, found.port, found.headers) == (shown, port, [])


def test_what_is_expanded_is_the_folder_and_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCKET", "s.sock")
    file.write_text("[supervisorctl]\nserverurl=unix://%(here)s/%(ENV_SOCKET)s\n")
    assert address([file]).path == f"{file.parent}/s.sock"


def test_a_password_is_sent_and_never_shown(file: Path) -> None:
    file.write_text("[supervisorctl]\nserverurl=unix:///s\nusername=op\npassword=secret\n")
    found = address([file])
    assert found.headers == [("Authorization", "Basic " + base64.b64encode(b"op:secret").decode())]
    file.write_text("[supervisorctl]\npassword=secret\nserverurl=nonsense\n")
    with pytest.raises(PluginError) as caught:
        address([file])
    assert "secret" not in repr(found) + caught.value.message


def test_a_percent_sign_is_written_twice(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As supervisord's own client reads them: 'u%x', 'a%b#c' and '%(here)s'."""
    for written, meant in (("a%%b#c", "a%b#c"), ("%%(here)s", "%(here)s"), ("%%%(ENV_X)s%%", "%y%")):
        monkeypatch.setenv("X", "y")
        file.write_text(f"[supervisorctl]\nserverurl=unix:///s\nusername=u%%x\npassword={written} ;of old\n")
        (header,) = address([file]).headers
        assert base64.b64decode(header[1].split()[1]).decode() == f"u%x:{meant}"


def test_a_file_that_others_may_write_is_not_followed(file: Path) -> None:
    file.write_text("[supervisorctl]\n")
    file.chmod(0o666)
    with pytest.raises(NotSafe, match="may be written by everyone"):
        address([file])


def test_without_a_file_it_is_where_its_client_looks_then(file: Path) -> None:
    """As in Dysnomia's own tests, whose supervisord has its configuration in a folder of its own."""
    found = address([file, file.with_name("other.conf")])
    assert (found.shown, found.host, found.port, found.headers) == ("http://localhost:9001", "localhost", 9001, [])
    assert found.hint.endswith(f"link its configuration to {file} or {file.with_name('other.conf')}")
