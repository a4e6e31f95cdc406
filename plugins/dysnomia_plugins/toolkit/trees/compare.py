"""Whether what stands on disk is what a contents index says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_plugins.toolkit.trees.names import sort_key
from dysnomia_store.model import Section


class Found(Protocol):
    """What stands on disk: a member, or what a walk saw."""

    @property
    def kind(self) -> Kind: ...

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def attributes(self) -> Mapping[str, str]: ...


def compare(
    sections: Callable[[], Iterable[Section]],
    members: Callable[[], Iterable[Found]],
    *,
    strict: bool,
    owners: bool,
    check: Callable[[], None],
) -> None:
    """Compare a contents index with what stands on disk, which comes in the order we store in.

    The index of another tool's archive may be in any order; then which of a file's names came first is not compared.

    Args:
        sections: gives the index, from its beginning each time.
        members: gives what stands there, from its beginning each time.
        strict: every attribute must be the same, not only names, kinds and sizes.
        owners: owners too.
        check: called now and then; may raise.

    Raises PluginError at the first difference.
    """
    # Nearly every index is in order, and is read once: one that is not would differ from what stands there.
    if strict or in_order(sections()):
        try:
            return _compared(sections(), members(), strict, owners, check, ours=True)
        except Difference:
            if in_order(sections()):
                raise
    ordered = sorted(sections(), key=lambda section: sort_key(section.name))
    return _compared(ordered, members(), strict, owners, check, ours=False)


def _compared(
    index: Iterable[Section],
    members: Iterable[Found],
    strict: bool,
    owners: bool,
    check: Callable[[], None],
    *,
    ours: bool,
) -> None:
    stored_members = iter(members)
    for section in index:
        check()
        if not strict and section.kind in (Kind.CHAR, Kind.DISK):
            return
        member = next(stored_members, None)
        if member is None or member.name != section.name:
            name = "nothing" if member is None else repr(member.name)
            raise differs(section.name, f"{name} is in its place")
        if not ours and Kind.HARDLINK in (member.kind, section.kind):
            continue
        if member.kind != section.kind or member.size != section.size:
            was, now = f"{section.kind} of {section.size} bytes", f"{member.kind} of {member.size}"
            raise differs(section.name, f"{was} became {now}")
        if strict and _shown(member.attributes(), owners) != _shown(section.attributes, owners):
            raise differs(section.name, f"{dict(section.attributes)} became {dict(member.attributes())}")
    extra = next(stored_members, None)
    if extra is not None:
        raise differs(extra.name, "the snapshot does not hold it")


def in_order(sections: Iterable[Section]) -> bool:
    """Whether sections come in the order we store in."""
    last: tuple[bytes, ...] | None = None
    for section in sections:
        key = sort_key(section.name)
        if last is not None and key <= last:
            return False
        last = key
    return True


def _shown(attributes: Mapping[str, str], owners: bool) -> Mapping[str, str]:
    return attributes if owners else {name: value for name, value in attributes.items() if name != "owner"}


class Difference(PluginError):
    """What stands there is not what the index says."""


def differs(name: str, how: str) -> Difference:
    """The error that says so of one of them."""
    return Difference(f"{name!r} was not loaded as it was stored", f"{how}; nothing was replaced")
