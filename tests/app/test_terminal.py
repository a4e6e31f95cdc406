"""The terminal around the app: themes, the clipboard, the client's threads, files written for the operator."""

from __future__ import annotations

import base64
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Probe
from dysnomia_tui.app.files import write_private
from dysnomia_tui.app.remembered import state_folder
from dysnomia_tui.app.terminal.remote import is_remote
from dysnomia_tui.app.terminal.terminal import CLIPBOARD_LIMIT, osc52
from dysnomia_tui.app.theme import pick
from tests.app.driving import Driven, driven
from tests.app.fake_world import fake_settings, world


@pytest.mark.parametrize(
    ("wanted", "environ", "no_color", "theme"),
    [
        ("", {"TERM": "xterm-256color"}, False, "dysnomia-dark"),
        ("", {"TERM": "xterm", "COLORTERM": "truecolor"}, False, "dysnomia-dark"),
        ("", {"TERM": "xterm-256color", "COLORFGBG": "0;15"}, False, "dysnomia-light"),
        ("", {"TERM": "linux"}, False, "ansi-dark"),
        ("", {"TERM": "screen", "COLORFGBG": "0;7"}, False, "ansi-light"),
        ("", {"TERM": "xterm-256color"}, True, "ansi-dark"),
        ("nord", {"TERM": "linux"}, False, "nord"),
        ("nord", {"TERM": "xterm-256color"}, True, "ansi-dark"),
        ("ansi-light", {"TERM": "xterm-256color"}, True, "ansi-light"),
    ],
)
def test_the_theme_fits_the_terminal(wanted: str, environ: dict[str, str], no_color: bool, theme: str) -> None:
    assert pick(wanted, environ, no_color) == theme


def _process(proc: Path, pid: int, name: str, parent: int) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(f"{pid} ({name}) S {parent} 1 1 34816 0")


@pytest.mark.parametrize("variable", ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"])
def test_a_session_of_ssh_is_known_by_its_variables(variable: str, tmp_path: Path) -> None:
    assert is_remote({variable: "192.0.2.1 50022 192.0.2.2 22"}, tmp_path, 9)
    assert not is_remote({variable: ""}, tmp_path, 9)


@pytest.mark.parametrize(
    ("server", "remote"),
    [("sshd", True), ("sshd-session", True), ("mosh-server", True), ("dropbear", True), ("login) S 1 (", False)],
)
def test_behind_sudo_it_is_known_by_the_process_that_began_it(server: str, remote: bool, tmp_path: Path) -> None:
    """sudo and su take the variables away."""
    for pid, name, parent in ((9, "python3", 8), (8, "sudo", 7), (7, "bash", 6), (6, server, 1), (1, "systemd", 0)):
        _process(tmp_path, pid, name, parent)
    assert is_remote({}, tmp_path, 9) is remote


def test_what_is_no_session_of_ssh_or_cannot_be_seen_is_none(tmp_path: Path) -> None:
    assert not is_remote({}, tmp_path, 9)
    _process(tmp_path, 9, "python3", 8)
    assert not is_remote({}, tmp_path, 9), "its parent is another user's, and hidden"
    _process(tmp_path, 8, "round", 9)
    assert not is_remote({}, tmp_path, 9), "ids that were given again"


def test_the_clipboard_through_tmux_and_screen() -> None:
    coded = base64.b64encode(b"postgresql/caf\xe9").decode()
    plain = osc52("postgresql/caf\udce9", {})
    assert plain == f"\x1b]52;c;{coded}\x07"
    in_tmux = osc52("postgresql/caf\udce9", {"TMUX": "/tmp/x"})
    assert in_tmux == f"{plain}\x1bPtmux;\x1b\x1b]52;c;{coded}\x07\x1b\\"
    assert osc52("x", {"TERM": "screen.xterm"}) == "\x1bP\x1b]52;c;eA==\x07\x1b\\"


def test_what_is_too_long_for_a_terminal_is_not_sent() -> None:
    assert osc52("x" * CLIPBOARD_LIMIT, {}) is None


def test_files_are_new_and_private(tmp_path: Path) -> None:
    path = tmp_path / "timeline.txt"
    assert write_private(path, "a\n") == 2
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_private(path, "b")
    assert path.read_text() == "a\n"
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "link", "c")


async def test_a_theme_and_keys_of_the_configuration_are_used_or_refused_aloud() -> None:
    async with driven(settings=fake_settings(theme="nord", keys={"zone": "ctrl+g", "nope": "y"})) as run:
        assert run.app.theme == "nord"
        assert "there is no action 'nope'" in run.toasts()
        before = run.app.times.kind
        await run.press("ctrl+g")
        assert run.app.times.kind is not before
    async with driven(settings=fake_settings(theme="no-such-theme")) as run:
        assert "no-such-theme" in run.toasts()


async def test_a_theme_is_chosen_by_its_look_and_found_again_at_the_next_start(tmp_path: Path) -> None:
    memory = tmp_path / "state"
    async with driven(settings=fake_settings(theme="nord"), memory=memory) as run:
        await run.press("T")
        assert "config.toml says nord" in run.text()
        await run.press("j", "j")
        assert run.app.theme == "dysnomia-light", "it is shown while the cursor is on it"
        await run.press("escape")
        assert run.app.theme == "nord"
        assert not memory.exists()
        await run.press("T", "j", "j", "enter")
        assert run.app.theme == "dysnomia-light"
    assert (memory / "theme").read_text() == "dysnomia-light\n"
    assert (memory / "theme").stat().st_mode & 0o777 == 0o600
    async with driven(settings=fake_settings(theme="nord"), memory=memory) as run:
        assert run.app.theme == "dysnomia-light"
        await run.press("T", "k", "k", "enter")
        assert run.app.theme == "nord"
    assert not (memory / "theme").exists()
    (memory / "theme").write_bytes(b"\xff no such theme \x1b[2J" * 99)
    async with driven(memory=memory) as run:
        assert run.app.theme == "dysnomia-dark"
    memory.rename(tmp_path / "other")
    memory.write_text("no folder")
    async with driven(memory=memory) as run:
        await run.press("T", "j", "enter")
        assert run.app.theme == "dysnomia-dark"
        assert "it is not remembered" in run.toasts()


async def test_a_theme_of_the_terminals_own_colours_can_be_chosen_and_left_again() -> None:
    async with driven() as run:
        own: list[bool] = []
        for name in ("dysnomia-dark", "ansi-light", "dysnomia-light"):
            run.app.take_theme(name)
            await run.settled()
            own.append(run.app.native_ansi_color)
        assert own == [False, True, False]


async def test_where_no_colours_are_asked_for_there_is_no_theme_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with driven() as run:
        await run.press("T")
        assert "NO_COLOR is set" in run.toasts()


def test_what_is_remembered_lies_in_the_operators_own_folder(tmp_path: Path) -> None:
    assert state_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "dysnomia-tui"
    assert state_folder({"HOME": str(tmp_path)}) == tmp_path / ".local" / "state" / "dysnomia-tui"
    assert state_folder({"HOME": str(tmp_path), "XDG_STATE_HOME": "here"}).is_relative_to(tmp_path)


async def test_only_the_latest_question_of_a_topic_is_asked() -> None:
    async with driven() as run:
        gate = threading.Event()
        asked: list[int] = []
        got: list[int] = []

        def call(number: int) -> int:
            gate.wait()
            asked.append(number)
            return number

        for number in range(50):
            run.app.client.ask("topic", lambda engine, number=number: call(number), got.append)  # type: ignore[misc]
        gate.set()
        await run.until(lambda: 49 in got)
        assert asked == [0, 49]
        assert got == [0, 49]


async def test_a_hanging_question_holds_up_no_other() -> None:
    async with driven() as run:
        gate = threading.Event()
        got: list[str] = []
        run.app.client.ask("hangs", lambda engine: gate.wait(), lambda _: None)
        for number in range(20):
            run.app.client.ask(f"other {number}", lambda engine: "yes", got.append)
        await run.until(lambda: len(got) == 20)
        gate.set()


async def test_the_export_writes_the_timeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with driven() as run:
        await run.press("e", "enter")
        await run.until(lambda: list(tmp_path.iterdir()))
        await run.until(lambda: "exported" in run.toasts())
        assert "alice restored 211" in next(tmp_path.iterdir()).read_text()


async def test_copy_offers_path_id_and_command() -> None:
    async with driven() as run:
        await run.press("2", "c")
        text = run.text()
        assert "postgresql/orders/214" in text
        assert "dysnomia -o restore -c orders -C postgresql --generation 214" in text
        await run.press("enter")
        await run.until(lambda: "copied" in run.toasts())


async def _crash(shown: list[str]) -> None:
    """Run the app into a bug, and note what it would say on the way out."""
    async with driven() as run:

        def fails() -> None:
            secret = "hunter2"
            raise ZeroDivisionError(f"oops {len(secret)}\x1b[2J")

        run.app.call_later(fails)
        await run.until(lambda: run.app._exit_renderables)
        shown += [str(item) for item in run.app._exit_renderables]


async def test_a_bug_shows_a_line_and_a_file_but_no_traceback_and_no_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shown: list[str] = []
    with pytest.raises(ZeroDivisionError):
        await _crash(shown)
    assert "internal error (ZeroDivisionError: oops 7\\x1b[2J)" in shown[0]
    assert "Traceback" not in shown[0]
    written = next(tmp_path.glob("dysnomia-tui-*.txt"))
    assert written.stat().st_mode & 0o777 == 0o600
    assert "in fails" in written.read_text()
    assert "hunter2" not in written.read_text().replace('secret = "hunter2"', "")


async def test_many_containers_are_asked_a_few_at_a_time() -> None:
    crowd = world()
    crowd.containers = tuple(replace(crowd.containers[1], name=f"c{n}", components=()) for n in range(30))
    async with driven(crowd, wait=False) as run:
        asking = 0
        most = 0
        lock = threading.Lock()
        probe = run.engine.probe

        def counted(container: str) -> Probe:
            nonlocal asking, most
            with lock:
                asking += 1
                most = max(most, asking)
            try:
                return probe(container)
            finally:
                with lock:
                    asking -= 1

        monkey = pytest.MonkeyPatch()
        monkey.setattr(run.engine, "probe", counted)
        await run.until(lambda: len(run.app.state.probes) == 30)
        assert most <= 4
        monkey.undo()


async def test_another_theme_is_in_every_line_at_once() -> None:
    async with driven(size=(120, 40)) as run:
        await run.settled()
        for name, light in (("dysnomia-light", True), ("dysnomia-dark", False)):
            run.app.show_theme(name)
            await run.settled()
            grounds = _grounds(run)
            assert all((sum(colour) > 384) is light for colour in grounds - {PRIMARY}), grounds


async def test_the_line_that_keys_would_not_go_to_is_seen_in_the_light_too() -> None:
    async with driven() as run:
        await run.settled()
        run.app.show_theme("dysnomia-light")
        await run.settled()
        ground, blurred = (run.main.list.get_component_rich_style(f"virtual-table--{name}").bgcolor
                           for name in ("head", "cursor-blurred"))  # fmt: skip
        assert ground is not None
        assert blurred is not None
        assert sum(ground.get_truecolor()) - sum(blurred.get_truecolor()) > 30


PRIMARY = (0x2F, 0x6F, 0xB0)


def _grounds(run: Driven) -> set[tuple[int, ...]]:
    """The colours behind all that stands on the screen."""
    return {
        tuple(segment.style.bgcolor.get_truecolor())
        for strip in run.screen._compositor.render_strips()
        for segment in strip
        if segment.style is not None and segment.style.bgcolor is not None
    }
