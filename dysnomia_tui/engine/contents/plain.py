"""A generation as plain bytes: what standard tools take when it is to be read or loaded without this program."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import BinaryIO, cast

from dysnomia_plugins.base import StatePlugin
from dysnomia_plugins.errors import Unsupported
from dysnomia_store import StoredSnapshot
from dysnomia_store.model import Generation, Section
from dysnomia_tui.engine.contents.contents import is_meant, reader_of, sections_of
from dysnomia_tui.engine.errors import Blocked, Unknown
from dysnomia_tui.engine.machine.machine import Machine

TREE = ".tar"
"""How the name of a part ends that holds a tree of files."""
PIECE = 1 << 20


class Plain:
    """What is stored of one generation, part by part. Every byte is checked as it is read: Corrupt is raised before a
    byte of a damaged frame is given out."""

    def __init__(self, machine: Machine, generation: Generation) -> None:
        self._machine = machine
        self._generation = generation
        self._stored: StoredSnapshot = machine.store.stored(generation.key, generation.id)

    def parts(self) -> Sequence[str]:
        """Names of the files that the snapshot consists of, without what compresses them. Raises StoreError."""
        return self._stored.artefacts()

    def is_tree(self, part: str) -> bool:
        """Whether a part is a tar file with a tree of files."""
        return part.endswith(TREE)

    def main(self) -> str:
        """The part that the server's own client loads.

        Raises Blocked where the snapshot has several and its type does not say which, StoreError."""
        parts = self.parts()
        if len(parts) == 1:
            return parts[0]
        reader = reader_of(self._machine, self._generation)
        if isinstance(reader, StatePlugin) and reader.main_artefact in parts:
            return reader.main_artefact
        raise Blocked(
            f"generation {self._generation.number} of {self._generation.key} holds {len(parts)} files"
            f" ({', '.join(parts[:4])}{', …' if len(parts) > 4 else ''}), and standard output takes one",
            "write them into a new folder, with --to DIR",
        )

    @contextmanager
    def open(self, part: str) -> Iterator[BinaryIO]:
        """Stream a part. Raises StoreError, also while it is read."""
        with self._stored.open(part) as stream:
            yield stream

    @contextmanager
    def open_section(self, wanted: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """A file name for a section, and what the snapshot holds of it, in pieces, as it is in its dump: a table's
        rows, a schema's statements. What is in no dump by itself (an SQLite file's tables) comes as its type writes it.

        Args:
            wanted: ``KIND:NAME``, or the name alone where one section has it.

        Raises Unknown where none or several are meant, Blocked where there is no such form of it."""
        section = self._meant(wanted)
        if section.offset is None or section.length is None:
            yield f"{_file_name(section.name)}.sql", self._written_by_type(section, wanted)
            return
        part = section.artefact or self.main()
        with self._stored.open_range(part, section.offset, section.length) as stream:
            if self.is_tree(part):
                with _file_in(stream, section) as content:
                    yield _file_name(section.name.rpartition("/")[2]), _pieces(content)
            else:
                yield _file_name(section.name) + PurePath(part).suffix, _pieces(stream)

    def _written_by_type(self, section: Section, wanted: str) -> Iterator[bytes]:
        reader = reader_of(self._machine, self._generation)
        try:
            if not isinstance(reader, StatePlugin):
                raise Unsupported(f"{section.kind} {section.name} is not stored in one piece in the snapshot")
            yield from reader.section_dump(self._stored, section)
        except Unsupported as error:
            hint = error.hint or "restore it into a copy instead: dysnomia -o restore --as NAME --section " + wanted
            raise Blocked(str(error), hint) from None

    def _meant(self, wanted: str) -> Section:
        matching = [section for section in sections_of(self._machine, self._generation) if is_meant(section, wanted)]
        where = f"generation {self._generation.number} of {self._generation.key}"
        if not matching:
            raise Unknown(f"{where} has no section {wanted}", "dysnomia-tui shows its sections: open the generation")
        if len(matching) > 1:
            kinds = ", ".join(f"{section.kind}:{section.name}" for section in matching[:4])
            raise Unknown(
                f"{wanted} is ambiguous: {where} has {len(matching)} such sections", f"name one of them: {kinds}"
            )
        return matching[0]


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """What a stream holds, in pieces of bounded size."""
    while data := stream.read(PIECE):
        yield data


def _file_name(name: str) -> str:
    """A section's name as the name of one file, which no folder, and no option of a program, is taken for."""
    return re.sub(r"[/\x00-\x1f\x7f]|^[-.]", "_", name)[:200] or "_"


@contextmanager
def _file_in(stream: BinaryIO, section: Section) -> Iterator[BinaryIO]:
    """The content of a file whose entry in a tar file ``stream`` is."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        member = archive.next()
        content = archive.extractfile(member) if member is not None and member.isfile() else None
        if content is None:
            raise Blocked(f"{section.kind} {section.name} has no content of its own", "name a file")
        yield cast("BinaryIO", content)
