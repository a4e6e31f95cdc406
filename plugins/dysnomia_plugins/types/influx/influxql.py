"""Statements of InfluxQL: names and texts in quotes, durations, and what the server says of its continuous queries.

Source: the language of InfluxDB 1.6 (``influxql/README.md``): identifiers stand in double quotes, texts in single ones,
and a backslash stands before a quote, a backslash and ``n`` for a new line in both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dysnomia_plugins.errors import PluginError

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_IDENTIFIER = r'(?:"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*)'
_QUERY = re.compile(rf"CREATE CONTINUOUS QUERY ({_IDENTIFIER}) ON ({_IDENTIFIER}) ", re.DOTALL)


def identifier(name: str) -> str:
    """A name in quotes, whatever it holds."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def unquoted(word: str) -> str:
    """The name that an identifier stands for."""
    if not word.startswith('"'):
        return word
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], word[1:-1], flags=re.DOTALL)


def shown(name: str) -> str:
    """A name as it is shown: in quotes only where it needs them."""
    return name if _PLAIN.fullmatch(name) else identifier(name)


def duration(text: str) -> str:
    """What the server shows (``168h0m0s``, ``0s``) as a statement takes it. Raises PluginError."""
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise PluginError(f"InfluxDB shows a duration that is not one: {text[:40]!r}", "nothing was changed")
    total = sum(round(float(number) * _NANOSECONDS[unit]) for number, unit in parts)
    if total == 0:
        return "INF"
    unit = next(one for one in ("h", "m", "s", "ns") if total % _NANOSECONDS[one] == 0)
    return f"{total // _NANOSECONDS[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class ContinuousQuery:
    """A query that the server runs by itself, again and again, in one database."""

    name: str
    text: str
    """The statement that creates it, as the server shows it."""

    @classmethod
    def of(cls, text: str) -> ContinuousQuery:
        """Raises PluginError for what is no such statement."""
        match = _QUERY.match(text)
        if match is None or "\n" in text:
            raise PluginError(f"not a continuous query of InfluxDB: {text[:80]!r}", "nothing was created")
        return cls(unquoted(match[1]), text)

    @property
    def database(self) -> str:
        match = _QUERY.match(self.text)
        return unquoted(match[2]) if match else ""


# A continuous query cannot be switched off, and one in a database that is not live would write into another. So there
# its text is the name of a query that finds nothing.

_KEPT = "dysnomia kept: "
_UNTRUSTED = "dysnomia kept, not to be run: "


def kept(query: ContinuousQuery, database: str, policy: str, *, trusted: bool = True) -> ContinuousQuery:
    """What stands for a query in a database that is not live, and never does anything. ``policy``: one of its."""
    name = (_KEPT if trusted else _UNTRUSTED) + query.text
    nothing = f"{identifier(database)}.{identifier(policy)}.{identifier('dysnomia none')}"
    text = (
        f"CREATE CONTINUOUS QUERY {identifier(name)} ON {identifier(database)} BEGIN SELECT count(none) INTO {nothing} "
        f"FROM {nothing} GROUP BY time(520w) END"
    )
    return ContinuousQuery(name, text)


def of_kept(query: ContinuousQuery) -> tuple[ContinuousQuery, bool]:
    """The query that one stands for, itself where it is none of ours; and whether it may be run. Raises PluginError."""
    for beginning in (_KEPT, _UNTRUSTED):
        if query.name.startswith(beginning):
            return ContinuousQuery.of(query.name.removeprefix(beginning)), beginning == _KEPT
    return query, True


def is_kept(query: ContinuousQuery) -> bool:
    """Whether a query stands for another one."""
    return query.name.startswith((_KEPT, _UNTRUSTED))
