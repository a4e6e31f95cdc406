"""The one registry of actions: footer, ``?`` help, ``:`` palette, remapping, the README's key table, the read-only
gate and the tests all read it.

An action names what it does and when it cannot be done; the screen or widget that carries it out has a method
``act_<id>`` (dashes as underscores). Bindings are made from here only: ``BINDINGS = bindings("main", "everywhere")``.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual.binding import Binding, BindingType

from dysnomia_tui.app.actions import reasons
from dysnomia_tui.app.actions.model import Action
from dysnomia_tui.app.actions.model import action as _a
from dysnomia_tui.app.actions.screens import SCREENS
from dysnomia_tui.engine.plans.plan import Grade

_NAMES = {
    "space": "spc",
    "enter": "Enter",
    "escape": "Esc",
    "tab": "Tab",
    "shift+tab": "S-Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "backspace": "Bksp",
    "delete": "Del",
    "comma": ",",
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "exclamation_mark": "!",
    "asterisk": "*",
    "at": "@",
}


_LIST = (
    _a("down", "j down", "Down", "Move the cursor down.", "list"),
    _a("up", "k up", "Up", "Move the cursor up.", "list"),
    _a("top", "g home", "Top", "Go to the first line.", "list"),
    _a("bottom", "G end", "Bottom", "Go to the last line.", "list"),
    _a("half-down", "ctrl+d", "Half a page down", "Move half a page down.", "list"),
    _a("half-up", "ctrl+u", "Half a page up", "Move half a page up.", "list"),
    _a("page-down", "pagedown ctrl+f", "Page down", "Move a page down.", "list"),
    _a("page-up", "pageup", "Page up", "Move a page up.", "list"),
    _a("left", "h left", "Left", "Scroll left; from the edge, go to the pane on the left.", "list"),
    _a("right", "l right", "Right", "Scroll right; from the edge, go to the pane on the right.", "list"),
    _a("into", "enter", "Open", "Go into what is under the cursor.", "list"),
    _a("mark", "space", "Mark", "Mark the line (or take the mark away) and go down one.", "list", footer="mark"),
    _a("mark-all", "*", "Mark all", "Mark every line that is shown; if all are marked, take the marks away.", "list"),
    _a("mark-range", "V", "Mark to here", "Mark every line from the one that was marked last to this one.", "list"),
    _a("unmark", "U", "Take marks away", "Take all marks away.", "list"),
    _a("sort", "S", "Sort", "Choose a column to sort by; the same one again turns the order, Esc ends it.", "list"),
    _a("sort-reverse", "R", "Reverse the order", "Sort the other way round.", "list"),
    _a(
        "filter",
        "/",
        "Filter",
        "Show only lines that hold what is typed; a leading ! shows the others.",
        "list",
        text=True,
    ),
)

_EVERYWHERE = (
    _a("help", "?", "Help", "All keys that work here; type to filter, Enter runs one.", "everywhere", footer="help"),
    _a(
        "palette", ":", "Commands", "Every action, component and screen by name; :q closes.", "everywhere", footer="cmd"
    ),
    _a("theme", "T", "Theme", "Choose how the screen looks, dark or light; it is remembered.", "everywhere"),
    _a("zone", "t", "Zone", "Show times in the server's zone, in UTC, or relative to now.", "everywhere"),
    _a("alarm", "a", "Next alarm", "Go to the next thing that needs a person.", "everywhere", why=reasons.no_alarm),
    _a("jobs", "J", "Jobs", "All jobs: running ones first, their log, cancel.", "everywhere"),
    _a("store", "o", "Store", "Where the space is, how it grew, what is in the trash.", "everywhere"),
    _a(
        "deploy",
        "w",
        "Deployment",
        "What is available, active and garbage, and what a deployment would do.",
        "everywhere",
    ),
    _a("zoom", "z", "Zoom", "Show the pane with the focus alone; again: all panes.", "everywhere"),
    _a("messages", "L", "Messages", "What was said since the start, newest first.", "everywhere"),
    _a("suspend", "ctrl+z", "Suspend", "Go back to the shell: fg comes back here. Jobs go on.", "everywhere"),
    _a("hosts", "M", "Hosts", "Other machines with this program, and which of them need a person.", "everywhere"),
    _a(
        "refresh",
        "ctrl+l f5",
        "Look again",
        "Read the store, the configuration and the servers again, and paint the whole screen.",
        "everywhere",
    ),
    _a("back", "escape", "Back", "Take back the filter, the order, the marks, or close this screen.", "everywhere"),
    _a("quit", "q", "Close", "Close this screen; on the main screen, quit (jobs go on).", "everywhere", footer="quit"),
)

_MAIN = (
    _a(
        "restore",
        "r",
        "Restore",
        "Restore the generation under the cursor: replace, copy or some sections. A group (container): all, to a time.",
        "main",
        footer="restore",
        why=reasons.cannot_restore,
    ),
    _a(
        "diff",
        "d",
        "Compare",
        "Compare two marked generations, or the one under the cursor with the one before.",
        "main",
        footer="diff",
        why=reasons.cannot_diff,
    ),
    _a(
        "diff-live",
        "D",
        "Compare with live",
        "Compare the generation under the cursor with what is live.",
        "main",
        footer="live",
        why=reasons.cannot_diff_live,
    ),
    _a(
        "snapshot",
        "s",
        "Snapshot",
        "Snapshot the component, every component of the container or group, or all that are marked in the tree.",
        "main",
        Grade.ADDS,
        "snap",
        reasons.cannot_snapshot,
    ),
    _a(
        "gc",
        "X",
        "Collect garbage",
        "Review which generations would go, and how many bytes that frees; of all marked components, too.",
        "main",
        footer="gc",
        why=reasons.no_generations_of_any,
    ),
    _a(
        "time",
        "@",
        "Go to a time",
        "Go to the newest good generation before a time: 14:05, -2h. Of a group or container: where each stood then.",
        "main",
        footer="time",
        why=reasons.no_time,
        text=True,
    ),
    _a(
        "history",
        "H",
        "History of a row",
        "See when a row, a file or a key was last there: in which generations it was, and what it was in each.",
        "main",
        why=reasons.no_generations,
        text=True,
    ),
    _a(
        "verify",
        "v",
        "Check or verify",
        "Read every byte of a snapshot, or prove it by restoring it to a scratch place; of all marked components, too.",
        "main",
        Grade.ADDS,
        why=reasons.no_generation_of_any,
    ),
    _a(
        "pin",
        "p",
        "Pin",
        "Keep the generation from being collected, with a reason; again: take the pin away.",
        "main",
        Grade.ADDS,
        why=reasons.no_generation,
        text=True,
    ),
    _a(
        "bad",
        "b",
        "Known bad",
        "Mark the generation as known bad; again: take it back.",
        "main",
        Grade.ADDS,
        why=reasons.no_generation,
        text=True,
    ),
    _a(
        "good",
        "B",
        "Known good",
        "Mark the generation as known good; again: take it back.",
        "main",
        Grade.ADDS,
        why=reasons.no_generation,
        text=True,
    ),
    _a(
        "tags",
        "",
        "Tags",
        "Write tags on the generation; the filter finds them.",
        "main",
        Grade.ADDS,
        why=reasons.no_generation,
        text=True,
    ),
    _a(
        "trust",
        "",
        "Trust",
        "Let an imported generation be loaded as one that was made here.",
        "main",
        Grade.UNDOABLE,
        why=reasons.no_generation,
    ),
    _a(
        "note", "n", "Note", "Write a note on the generation.", "main", Grade.ADDS, why=reasons.no_generation, text=True
    ),
    _a(
        "undo",
        "u",
        "Undo",
        "Undo the last restore or collection on the component, or the last restore of the whole group; an undo too.",
        "main",
        Grade.ADDS,
        why=reasons.nothing_to_undo,
    ),
    _a(
        "adopt",
        "A",
        "Adopt",
        "Write the configuration for what was found on this machine: all that is marked, as one.",
        "main",
        Grade.ADDS,
        footer="adopt",
        why=reasons.nothing_found,
    ),
    _a(
        "copy",
        "c",
        "Copy",
        "Copy the path, the id or the command line to the clipboard.",
        "main",
        why=reasons.nothing_selected,
    ),
    _a("export", "e", "Export", "Write the audit as a UTC timeline to a file, for handing over.", "main", text=True),
    _a(
        "shell",
        "!",
        "Shell",
        "Open the server's own client on the component.",
        "main",
        Grade.ADDS,
        why=reasons.no_component,
    ),
    _a(
        "browse",
        "",
        "Browse",
        "See the rows or lines of the section under the cursor (Enter in pane 3).",
        "main",
        why=reasons.no_generation,
    ),
    _a(
        "demo", "", "Demo", "Close this and open the demo: it has data of its own, nothing of yours is touched.", "main"
    ),
    _a("activate", "", "Activate", "Put the component into service.", "main", Grade.ADDS, why=reasons.cannot_activate),
    _a(
        "deactivate",
        "",
        "Deactivate",
        "Take the component out of service; its state stays, as garbage.",
        "main",
        Grade.ADDS,
        why=reasons.cannot_deactivate,
    ),
    _a(
        "collect-live",
        "",
        "Delete live garbage",
        "Delete the live state of a deactivated component.",
        "main",
        Grade.FINAL,
        why=reasons.cannot_collect_live,
    ),
    _a("pane-1", "1", "Components", "Go to the components.", "main"),
    _a("pane-2", "2", "Generations", "Go to the generations.", "main"),
    _a("pane-3", "3", "Contents", "Go to what is in the generation.", "main"),
    _a("pane-next", "tab", "Next pane", "Go to the next pane.", "main"),
    _a("pane-before", "shift+tab", "Pane before", "Go to the pane before.", "main"),
)

ACTIONS: tuple[Action, ...] = (*_MAIN, *SCREENS, *_LIST, *_EVERYWHERE)
"""Every action, in the order of footer and help."""

REGISTRY: Mapping[str, Action] = {action.id: action for action in ACTIONS}


def in_scope(*scopes: str) -> tuple[Action, ...]:
    """The actions of the scopes, in the order of the registry."""
    return tuple(action for action in ACTIONS if action.scope in scopes)


def bindings(*scopes: str) -> list[BindingType]:
    """Bindings of all actions of the scopes that have keys, each under its id, for ``set_keymap``."""
    return [binding(action.id) for action in in_scope(*scopes) if action.keys]


def binding(action_id: str) -> Binding:
    """The binding of one action."""
    action = REGISTRY[action_id]
    return Binding(",".join(action.keys), f"act('{action.id}')", action.title, show=False, id=action.id)


def keys_of(action: Action, remapped: Mapping[str, str]) -> tuple[str, ...]:
    """The keys that run an action, once config.toml had its say."""
    if action.id in remapped:
        return tuple(key.strip() for key in remapped[action.id].split(",") if key.strip())
    return action.keys


def key_name(key: str) -> str:
    """A key as it is shown: ``ctrl+d`` is ``^D``."""
    if key.startswith("ctrl+"):
        return "^" + key.removeprefix("ctrl+").upper()
    return _NAMES.get(key, key)
