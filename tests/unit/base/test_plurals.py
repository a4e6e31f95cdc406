"""Words in sentences."""

from __future__ import annotations

import pytest

from dysnomia_base.plurals import plural, with_article


@pytest.mark.parametrize(
    ("words", "text"),
    [("OpenLDAP directory", "an OpenLDAP directory"), ("set of files", "a set of files"), ("echo", "an echo")],
)
def test_an_article_fits_its_word(words: str, text: str) -> None:
    assert with_article(words) == text


def test_a_count_fits_its_word() -> None:
    assert [plural(1, "entry"), plural(2, "entry"), plural(2, "key"), plural(0, "leaf", "leaves")] == [
        "1 entry", "2 entries", "2 keys", "0 leaves",
    ]  # fmt: skip
