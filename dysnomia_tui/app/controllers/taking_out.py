"""Out of the app: the clipboard, a file, the server's own client."""

from __future__ import annotations

import shlex
from pathlib import Path

from dysnomia_tui.app.controllers.base import Controller
from dysnomia_tui.app.files import why_not_written, write_private
from dysnomia_tui.app.present.text import visible
from dysnomia_tui.app.screens.prompt import Choice, ChoiceScreen, PromptScreen
from dysnomia_tui.app.screens.shell import open_shell


class TakingOut(Controller):
    """Copies, exports, and opens a shell."""

    def act_copy(self) -> None:
        here = self.here()
        choices = []
        if here.key is not None:
            path = f"{here.key}/{here.generation.number}" if here.generation is not None else str(here.key)
            choices.append(Choice(path, "the path", visible(path)))
        if here.key is not None and here.generation is not None:
            choices.append(Choice(here.generation.id, "the snapshot's id", here.generation.id))
            argv = ["dysnomia", "-o", "restore", "-c", here.key.component, "-C", here.key.container]
            command = shlex.join([*argv, "--generation", str(here.generation.number)])
            choices.append(Choice(command, "the command that restores it", visible(command)))
        if here.container is not None and here.key is None:
            choices.append(Choice(here.container.name, "the container's name", visible(here.container.name)))
        if here.group is not None:
            choices.append(Choice(here.group.name, "the group's name", visible(here.group.name)))
            command = shlex.join(["dysnomia-tui", "group", here.group.name])
            choices.append(Choice(command, "the command that shows where each component is", visible(command)))
        if here.found is not None:
            line = here.found.remedy or f"{here.found.container}/{here.found.component}"
            choices.append(Choice(line, "the line", visible(line)))

        def chosen(text: str | None) -> None:
            if text is not None:
                self.services.copy(text, "it")

        if choices:
            self.services.push_screen(ChoiceScreen("Copy", choices), chosen)

    def act_export(self) -> None:
        key = self.here().key
        overview = self.services.state.overview
        host = overview.host if overview is not None else "host"
        name = f"timeline-{host}-{self.services.clock():%Y%m%dT%H%M%SZ}.txt"

        def typed(path: str | None) -> None:
            if not path:
                return
            target = Path(path).expanduser()
            self.services.client.ask(
                "export",
                lambda engine: write_private(target, engine.timeline(key)),
                lambda size: self.services.notify(f"{target}: {size} bytes", title="exported", markup=False),
                self.services.trouble,
            )

        what = f"of {key}" if key is not None else "of everything"
        self.services.push_screen(
            PromptScreen(
                "Export",
                f"The audit {what} as a UTC timeline, to a new file that only you can read:",
                value=str(Path.home() / name),
                accept="writes it",
                check=why_not_written,
            ),
            typed,
        )

    def act_shell(self) -> None:
        key = self.here().key
        assert key is not None
        open_shell(self.services, key)
