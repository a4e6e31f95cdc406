"""Other machines: asked over the operator's own ssh, opened in this terminal, worked on one after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from textual import on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from dysnomia_base.plurals import plural
from dysnomia_tui.app.actions.confirm_flow import ask_only
from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.present import hosts as present
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.hosts import HostRow
from dysnomia_tui.app.present.text import plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.screens.shell import hand_over
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.config import HostSettings
from dysnomia_tui.engine import HostDesk, HostReport, HostResult, Hosts, HostTalk, HostTask
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import EngineError

DRAW_EVERY = 0.25
"""Seconds: answers that come in between are drawn together."""


class HostsScreen(DysnomiaScreen):
    """Every host, the worst first."""

    SCOPE = "hosts"
    BINDINGS = bindings("hosts", "everywhere")
    AUTO_FOCUS = "#hosts"
    DEFAULT_CSS = """
    HostsScreen #hosts { height: 1fr; border: round $border-blurred; scrollbar-size-horizontal: 0; }
    HostsScreen #said { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    HostsScreen VirtualTable { border-title-color: $text-muted; border-subtitle-color: $text-disabled; }
    HostsScreen VirtualTable:focus { border: round $primary; border-title-color: $text; }
    """

    def __init__(self, desk: HostDesk) -> None:
        super().__init__()
        self._desk = desk
        self._rows: dict[str, HostRow] = {}
        self._longest = 0
        self._is_read = False
        self._came: queue.SimpleQueue[HostReport | HostResult | Callable[[], None]] = queue.SimpleQueue()
        self._talks: set[HostTalk] = set()
        self._work: HostTalk | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield VirtualTable[HostRow](
                key=present.row_key,
                words=present.words,
                markable=True,
                widget_id="hosts",
                empty="reading which there are…",
            )
            yield Static(id="said", markup=False)

    @property
    def table(self) -> VirtualTable[HostRow]:
        return self.query_one("#hosts", VirtualTable)

    def on_mount(self) -> None:
        self.table.border_title = "Hosts"
        self.set_path("hosts")
        self.set_interval(DRAW_EVERY, self._take)
        self.ask("hosts", self._read_hosts, self._have_hosts, self._failed)

    def on_unmount(self) -> None:
        for talk in tuple(self._talks):
            talk.end()

    def on_times(self, times: Times) -> None:
        self._set_columns()

    def here(self) -> Selection:
        return Selection(working=self._work is not None, reading=not self._is_read)

    # --- what is known ------------------------------------------------------------------------------------------

    def _read_hosts(self, _engine: Engine) -> Hosts:
        return self._desk.hosts()

    def _have_hosts(self, hosts: Hosts) -> None:
        if hosts.left_out:
            self.services.notify("; ".join(hosts.left_out), severity="warning", markup=False, timeout=12)
        self._rows, self._is_read = {host.name: HostRow(host) for host in hosts.hosts}, True
        self._longest = present.longest(hosts.hosts)
        self.table.set_empty(plain(present.NONE, styles.DIM))
        self._draw()
        self._look([*hosts.hosts])

    def _failed(self, problem: str) -> None:
        self._is_read = True
        self.table.set_empty(plain(problem, styles.BAD))

    def _look(self, hosts: Sequence[HostSettings]) -> None:
        if hosts:
            self._listen(self._desk.look(hosts), HostTalk.reports)

    def _listen(
        self, talk: HostTalk, read: Callable[[HostTalk], Iterator[HostReport | HostResult]],
        then: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """Take what comes in a thread of its own; ``then`` runs on the loop when all has come."""
        self._talks.add(talk)

        def listen() -> None:
            problem = ""
            try:
                for answer in read(talk):
                    self._came.put(answer)
            except (EngineError, ValueError, OSError) as error:
                problem = str(error)

            def ended() -> None:
                self._talks.discard(talk)
                if problem:
                    self.services.trouble(problem)
                then()

            self._came.put(ended)

        threading.Thread(target=listen, name="hosts", daemon=True).start()

    def _take(self) -> None:
        """Draw all that has come since the last time."""
        changed = False
        while not self._came.empty():
            answer = self._came.get()
            changed = True
            if isinstance(answer, HostReport):
                row = self._rows.get(answer.host.name)
                if row is not None:
                    self._rows[row.host.name] = replace(row, report=answer, at=self.services.clock())
            elif isinstance(answer, HostResult):
                row = self._rows[answer.host.name]
                self._rows[row.host.name] = replace(row, busy="", ended=answer.problem)
                if answer.begun:
                    self._look([answer.host])
            else:
                answer()
        if changed:
            self._draw()

    def _draw(self) -> None:
        if not self.is_attached:
            return
        rows = sorted(self._rows.values(), key=present.worst_first)
        self._set_columns()
        # The worst comes to the top; the cursor stays on its host, since a key is meant for the one that is seen.
        self.table.set_items(rows)
        self.table.border_title = present.title(rows) if rows else "Hosts"
        self._show()

    def _set_columns(self) -> None:
        times, longest = self.services.times, self._longest
        self.table.set_columns_by_width(lambda cells: present.columns(cells, times, longest))

    @on(VirtualTable.Highlighted, "#hosts")
    def _moved(self) -> None:
        self._show()

    def _show(self) -> None:
        row = self.table.item
        # One line whatever it says: no layout, which would slow each key while a thousand hosts answer.
        self.query_one("#said", Static).update(present.under_cursor(row), layout=False)
        self.set_path(f"hosts/{row.host.name}" if row is not None else "hosts")

    # --- actions ------------------------------------------------------------------------------------------------

    def _meant(self) -> list[HostSettings]:
        """The marked hosts by name, whether or not a filter hides them; else the one under the cursor."""
        marked = [self._rows[name].host for name in sorted(self._rows) if name in self.table.marks]
        one = self.table.item
        return marked or ([one.host] if one is not None else [])

    @on(VirtualTable.Chosen, "#hosts")
    def _chosen(self) -> None:
        self.act_hosts_open()

    def act_hosts_open(self) -> None:
        row = self.table.item
        if row is None:
            return
        key = row.report.worst if row.report is not None else ""
        self._hand_over(f"{row.host.name}: quit it to return to the hosts", self._desk.client_words, row.host, key)
        self._look([row.host])

    def act_hosts_connect(self) -> None:
        meant = self._meant()
        if self._desk.control is None:
            self.services.trouble("there is no folder to keep connections in: set XDG_RUNTIME_DIR to one of your own")
            return
        for host in meant:
            self._hand_over(f"connecting to {host.name}", self._desk.login_words, host)
        self._look(meant)

    def _hand_over(self, title: str, words: Callable[..., Sequence[str]], *about: object) -> None:
        try:
            argv = words(*about)
        except EngineError as error:
            self.services.trouble(str(error))
            return
        hand_over(self.services, title, argv, self._desk.environment())

    def act_hosts_status(self) -> None:
        self._look(self._meant())

    def act_refresh(self) -> None:
        self.services.paint_all()
        self._look([row.host for row in self._rows.values()])
        self.services.notify("asking every host again", timeout=1.5)

    def act_hosts_snapshot(self) -> None:
        self._begin(HostTask.SNAPSHOT)

    def act_hosts_verify(self) -> None:
        self._begin(HostTask.VERIFY)

    def _begin(self, task: HostTask) -> None:
        meant = self._meant()
        if self._work is not None or not meant:
            reason = "work is under way; stop it first" if meant else "there is no host"
            self.services.notify(f"{task.value}: {reason}", severity="warning", markup=False)
            return
        try:
            commands = [self._desk.command(host, task) for host in meant]
        except EngineError as error:
            self.services.trouble(str(error))
            return
        plan = present.plan(task, meant, commands, self.services.clock())
        ask_only(self.services, plan, lambda: self._start(task, meant))

    def _start(self, task: HostTask, hosts: Sequence[HostSettings]) -> None:
        for host in hosts:
            self._rows[host.name] = replace(self._rows[host.name], busy=task.value, ended="")
        self._work = self._desk.work(hosts, task, serial=1)
        self.redraw_bars()
        self._listen(self._work, HostTalk.results, lambda: self._ended(task, hosts))
        self._draw()

    def _ended(self, task: HostTask, hosts: Sequence[HostSettings]) -> None:
        self._work = None
        self.redraw_bars()
        stopped = [host.name for host in hosts if self._rows[host.name].busy]
        for name in stopped:
            self._rows[name] = replace(
                self._rows[name],
                busy="",
                ended=f"{task.value}: not begun, or not followed to its end (see the jobs there)",
            )
        bad = sum(1 for host in hosts if self._rows[host.name].ended)
        words = f"{plural(len(hosts), 'host')}, {bad} failed or not begun" if bad else plural(len(hosts), "host")
        self.services.notify(
            words, title=f"{task.value} has ended", severity="error" if bad else "information", markup=False
        )

    def act_hosts_stop(self) -> None:
        if self._work is None:
            self.services.notify("no work is under way on hosts", markup=False)
        else:
            self._work.end()

    def why_stay(self) -> str:
        """Closed, it would begin on no further host, and nobody would be told."""
        key = self.services.key_of("hosts-stop")
        return f"work on hosts is under way: stop it first ({key})" if self._work is not None else ""

    def act_quit(self) -> None:
        if reason := self.why_stay():
            self.services.notify(reason, severity="warning", markup=False)
        else:
            super().act_quit()

    def act_back(self) -> None:
        if not self.take_back():
            if self.table.marks:
                self.table.act_unmark()
            else:
                self.act_quit()
