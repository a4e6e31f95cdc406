"""Which mail a message is: what its headers say, whoever wrote them."""

from __future__ import annotations

import gzip
import time
from random import Random

import pytest

from dysnomia_plugins.types.maildir.headers import about, in_words

PLAIN = (
    b"Received: by host\n\tid 4\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n =?utf-8?q?_aus_K=C3=B6ln?=\n"
    b"From: =?iso-8859-1?q?J=F6rg?= <j@example.org>\nDate: Tue, 3 Nov 2026 09:12:00 +0100\n\nSubject: of the body\n"
)
TOLD = {"subject": "Grüße aus Köln", "from": "Jörg <j@example.org>", "date": "2026-11-03 09:12 +0100"}


def test_decoded_headers() -> None:
    assert about(PLAIN) == TOLD
    assert about(PLAIN.replace(b"\n", b"\r\n")) == TOLD
    assert about(gzip.compress(PLAIN * 50)) == TOLD
    assert in_words(TOLD) == "Grüße aus Köln, Jörg <j@example.org>, 2026-11-03 09:12 +0100"
    assert in_words(about(b"From: a\n\n")) == "a"


@pytest.mark.parametrize(
    ("head", "subject"),
    [
        (b"subject: \xe4 latin\n\n", "ä latin"),
        (b"SUBJECT:\n\tfolded only\n\n", "folded only"),
        (b"Subject: one\nSubject: two\n\n", "one"),
        (b"Subject:\nSubject: the second\n\n", "the second"),
        (b"Subject: =?no-such?q?a=ff?= =?\n\n", "aÿ =?"),
        (b"Subject: =?utf-8?b?!!!!?=\n\n", None),
        (b"Subject: =?utf-8?q?a=0Ab=0D=1B[2Jx?=\n\n", "a b [2Jx"),
        (b"Subject: a\x1b]0;t\x07b\x00c\xe2\x80\xaed\n\n", "a ]0;t b c\\u202ed"),
        (b"Subject: =?rot13?q?abc?= =?zlib?b?eA==?= =?idna?q?xx?=\n\n", "abcxxx"),
        (b"Subject: " + b"long " * 5000, None),
        (b"\xff\xfe\x00" * 100, None),
        (b"no header at all\n\nSubject: x\n", None),
        (b"", None),
    ],
)
def test_hostile_headers(head: bytes, subject: str | None) -> None:
    text = about(head).get("subject", "")
    assert len(text) <= 120
    assert text.isprintable()
    if subject is not None:
        assert text == subject


def test_anything_is_read_quickly_and_breaks_nothing() -> None:
    random = Random(4)
    began = time.monotonic()
    for _ in range(3000):
        head = bytearray(PLAIN)
        for _ in range(random.randrange(30)):
            head[random.randrange(len(head))] = random.randrange(256)
        assert in_words(about(bytes(head))).isprintable()
        about(b"Subject: =?punycode?q?" + random.randbytes(1900).replace(b"\n", b"a") + b"-a?=\n")
    assert time.monotonic() - began < 30
