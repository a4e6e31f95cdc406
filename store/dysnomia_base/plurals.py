"""How many of something, in words."""

from __future__ import annotations


def plural(count: int, word: str, many: str = "") -> str:
    """``1 row``, ``2 rows``, ``2 entries``; ``many`` where the word has a plural of its own."""
    if not many:
        many = word[:-1] + "ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else word + "s"
    return f"{count:,} {word if count == 1 else many}"


def with_article(words: str) -> str:
    """``a SQLite database``, ``an OpenLDAP directory``."""
    return f"{'an' if words[:1] in tuple('aeiouAEIOU') else 'a'} {words}"
