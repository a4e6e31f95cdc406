"""How the app looks: two themes of its own, and which one a terminal gets."""

from __future__ import annotations

from collections.abc import Mapping

from rich.terminal_theme import TerminalTheme
from textual.theme import Theme

DARK = Theme(
    name="dysnomia-dark",
    primary="#2f6fb0",
    secondary="#5a9bd4",
    warning="#e5b454",
    error="#ef6b73",
    success="#8cc570",
    accent="#5fb3b3",
    foreground="#d8dee6",
    background="#11151a",
    surface="#171c23",
    panel="#1f2630",
    dark=True,
    variables={"border-blurred": "#3a4350", "footer-key-foreground": "#5fb3b3"},
)
LIGHT = Theme(
    name="dysnomia-light",
    primary="#2f6fb0",
    secondary="#1f5a94",
    warning="#8a5a00",
    error="#b3202a",
    success="#2c6e1f",
    accent="#0f6b6b",
    foreground="#1c2228",
    background="#fbfbf8",
    surface="#f1f1ec",
    panel="#e4e4dd",
    dark=False,
    variables={"border-blurred": "#b4b8bd"},
)

# What the sixteen colours by which presenters speak look like under our two themes.
ANSI_DARK = TerminalTheme(
    (17, 21, 26),
    (216, 222, 230),
    [
        (40, 46, 54),
        (239, 107, 115),
        (140, 197, 112),
        (229, 180, 84),
        (98, 160, 226),
        (200, 140, 220),
        (95, 179, 179),
        (216, 222, 230),
    ],
    [
        (110, 120, 132),
        (255, 130, 138),
        (165, 220, 140),
        (245, 205, 120),
        (130, 185, 240),
        (220, 165, 240),
        (130, 205, 205),
        (245, 248, 252),
    ],
)
ANSI_LIGHT = TerminalTheme(
    (251, 251, 248),
    (28, 34, 40),
    [
        (28, 34, 40),
        (179, 32, 42),
        (44, 110, 31),
        (138, 90, 0),
        (31, 90, 148),
        (128, 50, 150),
        (15, 107, 107),
        (90, 96, 102),
    ],
    [
        (100, 106, 112),
        (200, 40, 50),
        (50, 130, 40),
        (160, 105, 0),
        (40, 110, 180),
        (150, 60, 175),
        (20, 130, 130),
        (120, 126, 132),
    ],
)

NATIVE = ("ansi-dark", "ansi-light")
"""The themes in the terminal's own sixteen colours."""
NAMES = ("dysnomia-dark", "dysnomia-light", "ansi-dark", "ansi-light")
"""What ``theme`` in config.toml can be, besides Textual's own."""


AUTOMATIC = "automatic"
"""What stands for the choice to have none."""
_ABOUT = {
    DARK.name: "ours, on a dark ground",
    LIGHT.name: "ours, on a light ground",
    "ansi-dark": "the sixteen colours of the terminal, on its dark ground",
    "ansi-light": "the sixteen colours of the terminal, on its light ground",
}


def listed(available: Mapping[str, Theme], configured: str) -> list[tuple[str, str, str]]:
    """Name, title and a sentence of every theme that can be chosen: ours first, then Textual's, dark before light."""
    others = sorted(
        (name for name in available if name not in _ABOUT), key=lambda name: (not available[name].dark, name)
    )
    first = f"config.toml says {configured}" if configured else "as the terminal is: dark or light, many colours or few"
    own = [(name, name, _ABOUT[name]) for name in NAMES]
    rest = [(name, name, "dark" if available[name].dark else "light") for name in others]
    return [(AUTOMATIC, AUTOMATIC, first), *own, *rest]


def pick(wanted: str, environ: Mapping[str, str], no_color: bool) -> str:
    """The theme for this terminal: what is chosen or configured; else the terminal's own colours where it has only
    sixteen; else ours, light where the terminal says that its ground is. Where NO_COLOR asks for no colours none of
    ours are shown, not as greys either."""
    if wanted and (not no_color or wanted in NATIVE):
        return wanted
    light = _light_ground(environ.get("COLORFGBG", ""))
    if no_color or not _many_colours(environ):
        return "ansi-light" if light else "ansi-dark"
    return LIGHT.name if light else DARK.name


def _many_colours(environ: Mapping[str, str]) -> bool:
    term = environ.get("TERM", "")
    if environ.get("COLORTERM", "") in ("truecolor", "24bit"):
        return True
    return "256color" in term or "direct" in term or term in ("xterm-kitty", "alacritty", "foot", "wezterm", "ghostty")


def _light_ground(colorfgbg: str) -> bool:
    ground = colorfgbg.rpartition(";")[2]
    return ground in ("7", "15")
