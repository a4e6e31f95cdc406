"""Small sections written by the thousand are what each written alone would be: the same bytes, digests and index."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.content.artefact_writer import ArtefactResult, ArtefactWriter
from dysnomia_store.content.digest import DigestSink
from dysnomia_store.content.index import Index, IndexWriter, decode, encode
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import WholeSection
from tests.unit.store.content.test_artefact import Kept

NAMES = st.text(st.characters(codec="utf-8") | st.sampled_from('\udcff"\\\n\x7f'), min_size=1, max_size=20)
COUNTS = st.integers(0, 1 << 62)
ATTRIBUTES = st.dictionaries(NAMES, NAMES, max_size=3)


@given(
    st.builds(
        Section, NAMES, NAMES, st.sampled_from(Form), COUNTS, NAMES, st.none() | COUNTS,
        st.none() | COUNTS, st.none() | COUNTS, st.just("") | NAMES,
        st.lists(NAMES, max_size=2).map(tuple), st.lists(NAMES, max_size=2).map(tuple), ATTRIBUTES,
    )
)  # fmt: skip
def test_a_line_is_what_json_writes_and_reads_back_as_it_was(section: Section) -> None:
    about: dict[str, object] = {"form": section.form.value, "size": section.size, "digest": section.digest}
    about["rows"] = section.rows
    about |= {name: value for name in ("columns", "key") if (value := getattr(section, name))}
    if section.attributes:
        about["attributes"] = dict(sorted(section.attributes.items()))
    if section.artefact:
        about["artefact"] = section.artefact
    line = [[section.kind, section.name], about, [section.offset, section.length]]
    assert encode(section) == json.dumps(line, separators=(",", ":")).encode() + b"\n"
    assert decode(encode(section)) == section


SECTIONS = [
    WholeSection("folder", ".", Form.BYTES, 0, {"owner": "0:0", "mode": "0755"}, b"a folder", (b"\1" * 512,)),
    *[
        WholeSection(
            "file", f"n{number} \udcff", Form.TEXT, 1000 * (number % 9), {"mode": "0644", "owner": f"{number % 2}:0"},
            b"content %d" % number, (b"h" * 512, b"%d" % number * 1000 * (number % 9), bytes(number % 512)),
        )
        for number in range(3000)
    ],
    WholeSection("file", "plain", Form.BYTES, 3, {}, b"", ()),
]  # fmt: skip


def written(folder: Path, batches: Sequence[Sequence[WholeSection]], compression: str = "zstd") -> ArtefactResult:
    """An artefact and its index of sections in batches; a batch of one is written the long way."""
    folder.mkdir()
    with (
        IndexWriter(folder / "index") as index,
        ArtefactWriter(folder, "dump", compression=compression, index=index) as sink,
    ):
        sink.write(b"before\n")
        for batch in batches:
            if len(batch) > 1:
                sink.write_sections(batch)
                continue
            for one in batch:
                sink.begin_section(one.kind, one.name, one.form, attributes=one.attributes)
                sink.write_masked(b"".join(one.stored), one.canonical)
                sink.end_section(size=one.size)
        sink.store_only(b"after\n")
    assert sink.result is not None
    return sink.result


@pytest.mark.parametrize("compression", ["zstd", "xz", "plain"])
def test_a_batch_is_what_its_sections_are_one_by_one(tmp_path: Path, compression: str) -> None:
    alone = written(tmp_path / "alone", [[one] for one in SECTIONS], compression)
    together = written(tmp_path / "together", [SECTIONS[:2], SECTIONS[2:3], SECTIONS[3:]], compression)
    assert together == alone
    file = alone.file_name
    assert (tmp_path / "together" / file).read_bytes() == (tmp_path / "alone" / file).read_bytes()
    with Index(tmp_path / "alone/index") as one, Index(tmp_path / "together/index") as other:
        assert list(other.lines()) == list(one.lines())


def test_any_target_is_told_of_each_section(tmp_path: Path) -> None:
    kept = Kept()
    sink = DigestSink(kept, "dump")
    sink.write(b"before\n")
    sink.write_sections(SECTIONS)
    sink.store_only(b"after\n")
    written(tmp_path / "stored", [SECTIONS])
    with Index(tmp_path / "stored/index") as index:
        assert list(index.sections()) == kept.sections
    assert sink.close().sections == len(SECTIONS)


def test_a_batch_inside_a_section_is_refused() -> None:
    sink = DigestSink(Kept(), "dump")
    sink.begin_section("file", "a", Form.TEXT)
    with pytest.raises(ValueError, match="inside section"):
        sink.write_sections(SECTIONS)
