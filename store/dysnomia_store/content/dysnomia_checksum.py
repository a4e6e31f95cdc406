"""Dysnomia's own checksum of a snapshot (``checksums/<container>/<component>/<id>``).

Its format is that of Dysnomia 0.10.2: sha256 over the listing of ``find .`` (one path a line), an empty line, then the
bytes of every regular file in that same order. The order is that of the folders on their disk, so that a copy of a
snapshot of several files has another checksum for the same bytes.
"""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import factorial, prod
from pathlib import Path

from dysnomia_store.content.manifest import pieces
from dysnomia_store.content.proofs import OnBytes

PREFIX = "sha256:"
MOST_ORDERS = 5040
"""Orders that are tried before a mismatch is left undecided."""
MOST_BYTES = 1 << 30
"""Bytes that are digested for it, all orders together."""


class Match(enum.Enum):
    """How a folder compares with its checksum."""

    SAME = "same"
    OTHER_ORDER = "other order"
    """The same paths and bytes, listed in another order."""
    DIFFERENT = "different"
    UNDECIDED = "undecided"
    """Another order might match, but there are too many to try."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A path in the listing, with what is below it."""

    path: str
    regular: bool
    children: tuple[_Node, ...] = ()


def checksum(folder: Path, on_bytes: OnBytes | None = None) -> str:
    """``sha256:<hex>`` of a folder as ``find`` lists it here. Raises OSError."""
    return _digest(folder, list(_flat(_tree(folder))), on_bytes)


def compare(folder: Path, expected: str, on_bytes: OnBytes | None = None) -> Match:
    """Compare a folder with its checksum. Raises OSError."""
    tree = _tree(folder)
    if checksum_of(folder, tree, on_bytes) == expected.strip():
        return Match.SAME
    orders = _count(tree)
    if orders == 1:
        return Match.DIFFERENT
    size = sum((folder / node.path).lstat().st_size for node in _flat(tree) if node.regular)
    if orders > MOST_ORDERS or orders * size > MOST_BYTES:
        return Match.UNDECIDED
    for order in _orders(tree):
        if _digest(folder, order, None) == expected.strip():
            return Match.OTHER_ORDER
    return Match.DIFFERENT


def checksum_of(folder: Path, tree: _Node, on_bytes: OnBytes | None) -> str:
    return _digest(folder, list(_flat(tree)), on_bytes)


def _tree(folder: Path, path: str = ".") -> _Node:
    children = []
    with os.scandir(folder / path) as scanned:
        for entry in scanned:
            below = f"{path}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                children.append(_tree(folder, below))
            else:
                children.append(_Node(below, entry.is_file(follow_symlinks=False)))
    return _Node(path, False, tuple(children))


def _flat(node: _Node) -> Iterator[_Node]:
    yield node
    for child in node.children:
        yield from _flat(child)


def _count(node: _Node) -> int:
    """In how many orders ``find`` could list it."""
    return factorial(len(node.children)) * prod(_count(child) for child in node.children)


def _orders(node: _Node) -> Iterator[list[_Node]]:
    for arranged in permutations(node.children):
        yield from ([node, *rest] for rest in _joined(arranged))


def _joined(nodes: Sequence[_Node]) -> Iterator[list[_Node]]:
    if not nodes:
        yield []
        return
    for first in _orders(nodes[0]):
        for rest in _joined(nodes[1:]):
            yield first + rest


def _digest(folder: Path, listing: Sequence[_Node], on_bytes: OnBytes | None) -> str:
    digest = hashlib.sha256()
    for node in listing:
        digest.update(os.fsencode(node.path) + b"\n")
    digest.update(b"\n")
    for node in listing:
        if node.regular:
            for piece in pieces(folder / node.path):
                digest.update(piece)
                if on_bytes is not None:
                    on_bytes(len(piece))
    return PREFIX + digest.hexdigest()
