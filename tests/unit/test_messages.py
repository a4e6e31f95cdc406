"""Every sentence that an operator can read says what is wrong in the field's words: known riddles are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.messages import messages

RIDDLES = {
    r"\bis none\b": "say what is invalid",
    r"\bstands?\b": "is, is at, is kept",
    r"\bmeanwhile\b": "name what did it: another process, another job",
    r"came to be": "another process created …",
    r"(?<!there )\bis no (?!longer\b)": "is not a …, or: expected …",
    r"means nothing|less than nothing": "ignoring unexpected argument …, must be 0 or more",
    r"says? itself when": "say where the end is shown",
    r"may not be (read|written|used)": "permission denied: …",
    r"whereabouts|leads nowhere": "location, broken link",
    r"cannot be told\b(?! apart)": "cannot determine, cannot read",
    r"(put|puts|putting) right": "recover",
    r"somebody else": "another user",
    r"\bmay you\b|\bever activated\?": "a hint says what to do",
    r"\bis it (a|older)\b": "a hint says what to do",
    r"another('s| user's)\b|snapshot's$": "belongs to another …",
    r"\bis another name of\b|\bhas (an)?other names?\b|name elsewhere": "hard link",
    r"became something else|while it was looked at": "another process replaced …",
    r"put as it was\b|made here as it was": "moved back; created with its stored owner",
    r"\?$": "a hint says what to do; an error says what is missing",
    r"\bnobody\b (is told|could be told)|there is nobody": "no notification is configured, was not sent",
    r"does not let us|that (is|are) none\b": "refuses the login; invalid …",
    r"is the server's own|refuses us\b|asked at\b": "a system database, refused the request, cannot connect to",
}


def riddles(text: str) -> list[str]:
    """Which of the riddles are in a text, each with what to write."""
    return [f"{pattern} ({instead})" for pattern, instead in RIDDLES.items() if re.search(pattern, text)]


def test_no_message_is_a_riddle() -> None:
    found = {str(message): riddles(message.text) for message in messages()}
    assert {message: what for message, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "text",
    [
        "the checksum of c/x/ID is none",
        "a snapshot of c/x stands there twice",
        "/a came to be meanwhile",
        "'x' is no folder",
        "'x' means nothing here, and is ignored",
        "/a may not be read by this user",
        "may you read it?",
    ],
)
def test_a_message_that_is_one_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "module.py").write_text(f"raise StoreError({text!r})\n", "utf-8")
    assert [bool(riddles(message.text)) for message in messages(tmp_path, ("store",))] == [True]


@pytest.mark.parametrize("text", ["there is no job 3", "shop/orders is no longer configured"])
def test_plain_sentences_pass(text: str) -> None:
    assert riddles(text) == []
