"""A tree of files as an application's uploads, sources and caches are: the same bytes at every call.

Sizes are log-normal (most files some KB, a few some MB), two thirds of the files are text of words as frequent as
words are, the others are bytes that nothing compresses (pictures, archives) or records of numbers (caches, indexes).
"""

from __future__ import annotations

import os
import struct
from itertools import accumulate
from pathlib import Path
from random import Random

FILES = 50_000
FOLDERS = 2500
_POOL = 24 << 20
_LARGEST = 6 << 20
_SUFFIXES = {"text": (".txt", ".html", ".py", ".json", ".css"), "bytes": (".jpg", ".gz"), "records": (".idx", ".dat")}


def make_tree(folder: Path, files: int = FILES, seed: int = 1) -> int:
    """Make it in ``folder``, which is made too. Returns the bytes of its files."""
    random = Random(seed)
    folders = _make_folders(folder, max(1, files * FOLDERS // FILES), random)
    text = _text(random)
    total = 0
    for number in range(files):
        kind = random.choices(("text", "bytes", "records"), (66, 24, 10))[0]
        size = _size(random)
        name = f"{random.choice(_WORDS)}-{number}{random.choice(_SUFFIXES[kind])}"
        content = _content(kind, size, text, random)
        descriptor = os.open(folders[int(len(folders) * random.random() ** 2)] / name, os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(descriptor, content)
        os.close(descriptor)
        total += len(content)
    return total


def change_files(folder: Path, count: int, seed: int = 2) -> None:
    """Append a line to some files of it."""
    random = Random(seed)
    paths = sorted(Path(at, name) for at, _, names in os.walk(folder) for name in names)
    for path in random.sample(paths, count):
        with path.open("ab") as file:
            file.write(b"one line more: %d\n" % random.getrandbits(64))


def _make_folders(folder: Path, count: int, random: Random) -> list[Path]:
    folder.mkdir(parents=True)
    made = [folder]
    while len(made) < count:
        parent = made[int(len(made) * random.random())]
        path = parent / f"{random.choice(_WORDS)}{len(made)}"
        path.mkdir()
        made.append(path)
    return made


def _size(random: Random) -> int:
    if random.random() < 0.01:
        return 0
    return min(_LARGEST, int(random.lognormvariate(7.95, 1.45)))


def _content(kind: str, size: int, text: bytes, random: Random) -> bytes:
    if kind == "bytes":
        return random.randbytes(size)
    if kind == "records":
        start = random.getrandbits(31)
        count = size // 16
        return b"".join(
            struct.pack("<IIQ", start + at, random.getrandbits(12), 1_700_000_000 + at) for at in range(count)
        )
    at = int(random.random() * (len(text) - size))
    return text[at : at + size]


def _text(random: Random) -> bytes:
    """Words by Zipf's law, in lines; some are Greek, so that not all of it is ASCII."""
    weights = list(accumulate(1 / rank for rank in range(1, len(_WORDS) + 1)))
    parts: list[str] = []
    size = 0
    while size < _POOL:
        line = " ".join(random.choices(_WORDS, cum_weights=weights, k=8 + random.getrandbits(3)))
        parts.append(f"{line} {random.getrandbits(20):x}\n")
        size += len(parts[-1])
    return "".join(parts).encode()


def _words() -> tuple[str, ...]:
    random = Random(0)
    syllables = [
        first + vowel + last for first in "bdfgklmnprstvz" for vowel in "aeiou" for last in ("", "n", "r", "s")
    ]
    words = ["".join(random.choices(syllables, k=1 + random.getrandbits(2) % 3)) for _ in range(4000)]
    return (*words[:300], "λόγος", "ἀρχή", *words[300:])


_WORDS = _words()
