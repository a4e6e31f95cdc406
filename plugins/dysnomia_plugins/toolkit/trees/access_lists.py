"""Access control lists as text: GNU tar and star restore them from that, and from no extended attribute.

Sources: the kernel's ``include/uapi/linux/posix_acl_xattr.h`` (the bytes), ``acl(5)`` (the text), and star's manual
(the records ``SCHILY.acl.access`` and ``SCHILY.acl.default``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from dysnomia_base.records import dataclass

_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
_NAMES = {0x01: "user", 0x02: "user", 0x04: "group", 0x08: "group", 0x10: "mask", 0x20: "other"}
_WITH_ID = frozenset({0x02, 0x08})


@dataclass(frozen=True, slots=True)
class _Record:
    """An extended attribute that holds a list, and the record that says it as text."""

    attribute: str
    keyword: bytes


_RECORDS = (
    _Record("system.posix_acl_access", b"SCHILY.acl.access"),
    _Record("system.posix_acl_default", b"SCHILY.acl.default"),
)


def list_records(xattrs: Sequence[tuple[str, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Keyword and text of each access control list among the extended attributes."""
    values = dict(xattrs)
    for record in _RECORDS:
        text = list_in_words(values.get(record.attribute, b""))
        if text:
            yield record.keyword, text.encode()


def list_in_words(value: bytes) -> str:
    """``user::rw-,user:1234:r--,…``: owners by number, since names may be others elsewhere. ``""`` for no list."""
    if not value.startswith(_VERSION) or (len(value) - len(_VERSION)) % _ENTRY.size:
        return ""
    entries = list(_ENTRY.iter_unpack(value[len(_VERSION) :]))
    if any(tag not in _NAMES for tag, _, _ in entries):
        return ""
    return ",".join(
        f"{_NAMES[tag]}:{owner if tag in _WITH_ID else ''}:{_rights(rights)}" for tag, rights, owner in entries
    )


def _rights(bits: int) -> str:
    return "".join(letter if bits & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
