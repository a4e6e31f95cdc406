"""What a timer's commands tell, and to whom: once an event, with no secret, and never at the job's cost."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dysnomia_tui.config import SettingsError, load_settings
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.jobs.folder import create_job
from dysnomia_tui.engine.jobs.request import JobRequest
from dysnomia_tui.engine.notify import channels, send
from dysnomia_tui.engine.notify.message import Condition, Happening, Message
from dysnomia_tui.engine.notify.news import Look, Run, news
from dysnomia_tui.engine.records import Level
from tests.unit.cli.calling import call
from tests.unit.engine.ledger import PAPERS, SHOP, Ledger, make_ledger
from tests.waiting import wait_until

UUID = "0b7c-check-of-mine"
SESAME = "open-sesame-4711"
HOOK = """#!/bin/sh
cat >>"$1"
printf '%s|%s|%s\\n' "$DYSNOMIA_NOTIFY_EVENT" "$DYSNOMIA_NOTIFY_LEVEL" "$DYSNOMIA_NOTIFY_TITLE" >>"$1.variables"
exit "${2:-0}"
"""


class Listener(ThreadingHTTPServer):
    """A server that keeps what it was told, and answers as it is set to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[str, str]] = []
        """Path and body of each request."""
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()
        """Cleared, it does not answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{UUID}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.heard]


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append((self.path, body))
        self.server.hold.wait(60)
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def listening() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.hold.set()
            server.shutdown()
            thread.join()


class Host:
    """A machine with the ledger's components, its config.toml and the operator's program."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
        self.root, self.ledger, self._patch = root, ledger, monkeypatch
        ledger.enter(monkeypatch)
        self.config = root / "config" / "dysnomia-tui" / "config.toml"
        self.config.parent.mkdir(parents=True)
        self.hook = root / "tell"
        self.hook.write_text(HOOK)
        self.hook.chmod(0o755)
        self.out = root / "told"
        assert self.call("dysnomia-containers", "--deploy") == 0

    def configure(self, text: str, *, stale: str = "never", mode: int = 0o600) -> None:
        self.config.write_text(f'{text}\n[components."*/*"]\nstale_after = "{stale}"\n')
        self.config.chmod(mode)

    def call(self, *words: str) -> int:
        return call(self._patch, *words)

    def told(self) -> list[dict[str, Any]]:
        """The messages that the program got."""
        return [json.loads(line) for line in self.out.read_text().splitlines()] if self.out.exists() else []

    def by_program(self, *more: str) -> str:
        words = ", ".join(f'"{word}"' for word in (str(self.hook), str(self.out), *more))
        return f"[notify]\ncommand = [{words}]"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch, make_ledger(tmp_path))


def test_staleness_is_told_once_and_so_is_its_end(host: Host) -> None:
    host.configure(host.by_program(), stale="1h")
    assert host.call("dysnomia-tui", "status") == 2
    assert host.told() == [], "a person who looks tells nobody"
    assert host.call("dysnomia-tui", "status", "--scheduled") == 2
    assert host.call("dysnomia-tui", "status", "--scheduled") == 2
    (message,) = host.told()
    assert {(one["subject"], one["event"], one["level"]) for one in message["events"]} == {
        (str(SHOP), "stale", "critical"), (str(PAPERS), "stale", "critical"),
    }  # fmt: skip
    assert message["host"] == os.uname().nodename
    statedir = host.ledger.root / "state"
    assert message["events"][0]["command"] == f"dysnomia-tui --statedir {statedir} status"
    assert host.out.with_name("told.variables").read_text().startswith(f"stale|critical|{message['host']}: ")
    assert stat.S_IMODE((statedir / "notify" / "told.json").stat().st_mode) == 0o600
    assert host.call("dysnomia-tui", "status", "--json") == 2
    host.configure(host.by_program())
    assert host.call("dysnomia-tui", "status", "--scheduled") == 0
    assert [one["event"] for one in host.told()[1]["events"]] == ["well", "well"]
    assert host.call("dysnomia-tui", "status", "--scheduled") == 0
    assert len(host.told()) == 2


def test_a_scheduled_job_that_fails_is_told_once_without_a_secret_and_so_is_the_next_that_does_not(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    live = host.ledger.root / "live"
    gone = host.ledger.root / SESAME
    file = host.ledger.root / "containers" / SHOP.container
    file.write_text(f"type=sqlite-database\nsqliteDir='{gone}'\nappPassword='{SESAME}'\n")
    with listening() as server:
        host.configure(f'{host.by_program()}\nping.snapshot = "{server.url}"')
        for _ in range(2):
            assert host.call("dysnomia-containers", "--snapshot", "--scheduled") == 3
        (message,) = host.told()
        assert [(one["subject"], one["event"]) for one in message["events"]] == [(str(SHOP), "failed")]
        assert host.call("dysnomia-tui", "status", "--scheduled") in (0, 2)
        assert len(host.told()) == 1, "status says nothing again that the snapshot has said"
        shutil.copytree(live, gone)
        file.write_text(f"type=sqlite-database\nsqliteDir='{gone}'\nappPassword='{SESAME}'\n")
        assert host.call("dysnomia-containers", "--snapshot", "--scheduled") == 0
        assert [one["event"] for one in host.told()[1]["events"]] == ["well"]
        root = f"/{UUID}"
        assert server.paths == [f"{root}/start", f"{root}/fail", f"{root}/start", f"{root}/fail", f"{root}/start", root]
        assert str(SHOP) in server.heard[1][1]
    said = capsys.readouterr()
    assert UUID not in said.out + said.err
    told = (
        json.dumps([host.told(), server.heard], ensure_ascii=False)
        + (host.ledger.root / "state/notify/told.json").read_text()
    )
    assert SESAME not in told
    assert "•••" in told, "the message names the folder, whose name is the secret"


def test_what_a_killed_job_left_is_put_right_by_the_timer_of_the_status(host: Host) -> None:
    host.configure(host.by_program())
    engine = Engine(load_settings(os.environ))
    plan, statedir = engine.plan_snapshot([SHOP]), host.ledger.root / "state"
    folder, lock = create_job(statedir / "jobs", plan, JobRequest(datetime.now(UTC)))
    os.close(lock)  # as it is when its worker was killed
    assert engine.report().alarms == (f"job {folder.id} was interrupted: {plan.title}",)
    assert host.call("dysnomia-tui", "status") == 2
    assert "recovered" not in engine.job(folder.id).details, "a person who looks changes nothing"
    assert host.call("dysnomia-tui", "status", "--scheduled") in (1, 2)
    wait_until(lambda: "recovered" in engine.job(folder.id).details)
    wait_until(lambda: all(job.state.ended for job in engine.jobs()))
    assert engine.report().alarms == ()
    assert host.call("dysnomia-tui", "status", "--scheduled") == 2, "its component has no good snapshot since"
    assert {one["subject"] for message in host.told() for one in message["events"] if one["event"] != "well"} >= {
        str(SHOP)
    }


def test_a_ping_of_a_status_says_what_is_critical(host: Host) -> None:
    with listening() as server:
        host.configure(f'[notify.ping]\nstatus = "{server.url}"', stale="1h")
        assert host.call("dysnomia-tui", "status", "--scheduled") == 2
        (_, started), (path, text) = server.heard
    assert (started, path) == ("", f"/{UUID}/fail")
    assert text.startswith("CRITICAL: 2 components; ")
    assert f"{SHOP} stale" in text


def test_a_program_that_fails_fails_nothing_is_an_alarm_and_is_called_again(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.configure(host.by_program("3"), stale="1h")
    assert host.call("dysnomia-tui", "status", "--scheduled") == 2
    assert f"{host.hook} ended with status 3" in capsys.readouterr().err
    assert host.call("dysnomia-tui", "status") == 2
    assert "alarm     notifications by command ([notify] in config.toml) fail" in capsys.readouterr().out
    host.configure(host.by_program(), stale="1h")
    assert host.call("dysnomia-tui", "status", "--scheduled") == 2
    assert len(host.told()) == 2
    capsys.readouterr()
    assert host.call("dysnomia-tui", "status") == 2
    assert "in config.toml) fail" not in capsys.readouterr().out


def test_where_nothing_can_be_remembered_it_is_told_all_the_same(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a full disk, which is what somebody has to hear of."""
    (host.ledger.root / "state" / "notify").write_text("")
    host.configure(host.by_program(), stale="1h")
    for _ in range(2):
        assert host.call("dysnomia-tui", "status", "--scheduled") == 2
        err = capsys.readouterr().err
        assert "what was told cannot be remembered in " in err
        assert "and will be told again" in err
    assert len(host.told()) == 2


def condition(level: Level, word: str = "stale") -> Condition:
    return Condition("component a/b", "a/b", level, word, "", "dysnomia-tui status")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, condition(Level.WARNING), ["stale"]),
        (condition(Level.WARNING), condition(Level.WARNING), []),
        (condition(Level.WARNING), condition(Level.CRITICAL), ["stale"]),
        (condition(Level.CRITICAL), condition(Level.CRITICAL, "failed"), ["failed"]),
        (condition(Level.CRITICAL), condition(Level.WARNING), []),
        (condition(Level.CRITICAL), None, ["well"]),
    ],
)
def test_what_gets_worse_or_something_else_is_told_again(
    before: Condition | None, now: Condition | None, told: list[str]
) -> None:
    memory = {before.subject: before} if before else {}
    seen = {now.subject: now} if now else {}
    found, lasting = news(memory, Look(seen, frozenset(), None))
    assert ["well" if one.well else one.condition.word for one in found] == told
    assert lasting == seen


def test_a_component_that_is_worked_on_and_a_task_that_did_not_run_are_neither_ill_nor_well() -> None:
    busy = condition(Level.CRITICAL)
    task = replace(busy, subject="task verify a/b")
    memory = {one.subject: one for one in (busy, task)}
    assert news(memory, Look({}, frozenset({busy.subject}), Run("verify", "c/", {}))) == ((), memory)
    (found,), lasting = news(memory, Look({}, frozenset({busy.subject}), Run("verify", "a/", {})))
    assert (found.condition, found.well, lasting) == (task, True, {busy.subject: busy})


def test_a_program_that_hangs_is_killed_and_one_that_others_may_write_is_not_run(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.hook.write_text("#!/bin/sh\nsleep 600\n")
    host.configure(f'{host.by_program()}\ntime_limit = "1s"')
    assert host.call("dysnomia-tui", "notify", "--test") == 1
    assert "has not ended in 1 seconds and was killed" in capsys.readouterr().out
    host.hook.write_text(HOOK)
    host.hook.chmod(0o777)
    assert host.call("dysnomia-tui", "notify", "--test") == 1
    assert f"{host.hook} may be written by everyone" in capsys.readouterr().out
    assert host.told() == []


def test_a_long_message_in_another_script_starts_the_program_all_the_same(tmp_path: Path) -> None:
    """The largest there is: each of its characters four bytes, which one variable has not room for."""
    wide = "\U00010348" * 500
    condition = Condition("component a/b", wide, Level.CRITICAL, "failed", wide, f"dysnomia-tui timeline {wide}")
    many = tuple(Happening(replace(condition, command=f"{condition.command}{number}")) for number in range(60))
    message = Message("db1", datetime.now(UTC), many)
    heard = tmp_path / "heard"
    channels.call_program(("/usr/bin/tee", str(heard)), message, 30)
    assert json.loads(heard.read_text())["text"] == message.text


def test_a_ping_follows_no_redirect_waits_no_longer_than_its_limit_and_shows_no_address(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    with listening() as server:
        host.configure(f'[notify]\nping.status = "{server.url}?of=mine"')
        assert host.call("dysnomia-tui", "notify", "--test") == 0
        assert server.paths == [f"/{UUID}/log?of=mine"]
        server.status = 302
        assert host.call("dysnomia-tui", "status", "--scheduled") == 0
        assert server.paths[1:] == [f"/{UUID}/start?of=mine", f"/{UUID}?of=mine"], "the job went on; nothing elsewhere"
        said = capsys.readouterr()
        assert "the server redirects (302), which is not followed" in said.err
        server.status = 200
        server.hold.clear()
        host.configure(f'[notify]\ntime_limit = "1s"\nping.status = "{server.url}?of=mine"')
        assert host.call("dysnomia-tui", "notify", "--test") == 1
        hung = capsys.readouterr().out
        assert "ping.status: " in hung
        assert "timed out" in hung or "not sent in 1 seconds" in hung
    assert host.call("dysnomia-tui", "notify", "--test") == 1
    refused = capsys.readouterr().out
    assert "Connection refused" in refused
    host.call("dysnomia-tui", "config", "show")
    host.call("dysnomia-tui", "config", "show", "--json")
    host.call("dysnomia-tui", "notify")
    shown = capsys.readouterr()
    assert UUID not in said.out + said.err + hung + refused + shown.out + shown.err
    assert "ping.status" in shown.out


def test_an_address_that_others_may_read_is_said(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as server:
        host.configure(f'[notify]\nping.check = "{server.url}"', mode=0o644)
        assert host.call("dysnomia-tui", "status") == 1
        assert "holds a secret address ([notify]) and may be read by everyone" in capsys.readouterr().out
        address = host.root / "ping"
        address.write_text(f"# the check\n{server.url}\n")
        address.chmod(0o644)
        host.configure(f'[notify]\nping.check = "{address}"', mode=0o644)
        assert host.call("dysnomia-snapshots", "--query-latest", "--check", "--scheduled") == 0
        assert "may be read by everyone: chmod 0600" in capsys.readouterr().err
        assert server.paths == []
        address.chmod(0o600)
        assert host.call("dysnomia-snapshots", "--query-latest", "--check", "--scheduled") == 0
        assert server.paths == [f"/{UUID}/start", f"/{UUID}"]
        assert host.call("dysnomia-tui", "status") == 0


@pytest.mark.parametrize(
    "text",
    ['ping.snapshot = "ftp://host/very-secret"', 'ping.snapshot = "file:very-secret"', 'ping.snapshot = "https:///x"',
     'ping.snapshot = "https://user:very-secret@host/"', 'ping.snapshot = "http://host/very-secret\\r\\nX: y"',
     'ping.backup = "https://host/very-secret"', 'command = ["logger"]', "command = []", 'time_limit = "1d"'],
)  # fmt: skip
def test_what_is_no_address_or_program_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(f"[notify]\n{text}\n")
    with pytest.raises(SettingsError, match="line 2") as caught:
        load_settings({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "none")}, machine=tmp_path)
    assert "very-secret" not in str(caught.value)


def test_without_apprise_one_is_told_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    assert send.apprise({"urls": []}) == ("Apprise is not installed", "pip install 'dysnomia-tui[notify]'")


def test_apprise_sends_the_message(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as server:
        host.configure(f'[notify]\napprise = ["{server.url.replace("http:", "json:")}"]', stale="1h")
        assert host.call("dysnomia-tui", "status", "--scheduled") == 2
        ((path, body),) = server.heard
        assert path == f"/{UUID}"
        assert str(SHOP) in json.loads(body)["message"]
        assert json.loads(body)["type"] == "failure"
        server.status = 500
        assert host.call("dysnomia-tui", "notify", "--test") == 1
        assert "Apprise could not deliver" in capsys.readouterr().out


def test_a_component_without_a_snapshot_is_told_in_a_sentence_that_says_so() -> None:
    one = Condition(
        "component files/uploads", "files/uploads", Level.WARNING, "never", "never snapshotted", "dysnomia-tui status"
    )
    assert [Happening(one).short, Happening(one, well=True).line] == [
        "files/uploads was never snapshotted", "files/uploads has a snapshot now",
    ]  # fmt: skip
