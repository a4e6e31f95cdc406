"""The folders: documents that are edited, an old web site, and uploads that nobody ever snapshotted."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_WORDS = (
    "the order was sent late and the customer asked for a refund we agreed to call back before noon and to check the "
    "stock of lamps by hand since the count on the shelf differs from the list every second week of the month"
).split()
_TOPICS = "returns shipping invoices suppliers opening-hours packing complaints stock fire-drill holidays".split()


@dataclass
class Documents:
    """A folder of notes, tables and pictures, and the dice that change it."""

    folder: Path
    dice: random.Random

    def fill(self, now: datetime) -> None:
        for topic in _TOPICS:
            for part in ("guide", "notes", "faq"):
                self._write(f"{topic}/{part}.md", f"# {topic}: {part}\n\n{self._prose(self.dice.randrange(20, 60))}")
        for month in range(1, 13):
            self._write(f"reports/{now.year - 1}-{month:02d}.csv", self._table(80))
        self._picture("pictures/logo.png", 24_000)
        self._picture("pictures/shop-front.jpg", 180_000)
        (self.folder / "latest-report.csv").symlink_to(f"reports/{now.year - 1}-12.csv")

    def day(self, now: datetime) -> None:
        """Edit a few, add one, and sometimes remove one or change who may read it."""
        notes = sorted(self.folder.glob("*/*.md"))
        for path in self.dice.sample(notes, 3):
            lines = path.read_text("utf-8").splitlines()
            lines.insert(self.dice.randrange(2, len(lines) + 1), self._sentence())
            if len(lines) > 12 and self.dice.random() < 0.6:
                del lines[self.dice.randrange(2, len(lines))]
            path.write_text("\n".join(lines) + "\n", "utf-8")
        roll = self.dice.random()
        if roll < 0.45:
            self._write(f"minutes/{now:%Y-%m-%d}.md", f"# Minutes of {now:%d %B}\n\n{self._prose(12)}")
        elif roll < 0.65:
            self.dice.choice(notes).unlink()
        elif roll < 0.8:
            self.dice.choice(notes).chmod(0o640)
        else:
            self._picture(f"pictures/product-{self.dice.randrange(1000):03d}.jpg", self.dice.randrange(20_000, 90_000))

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def _picture(self, name: str, size: int) -> None:
        """Bytes that do not compress, as those of a picture."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff\xe0" + self.dice.randbytes(size))

    def _sentence(self) -> str:
        words = [self.dice.choice(_WORDS) for _ in range(self.dice.randrange(6, 14))]
        return " ".join(words).capitalize() + "."

    def _prose(self, sentences: int) -> str:
        return "\n".join(self._sentence() for _ in range(sentences)) + "\n"

    def _table(self, rows: int) -> str:
        body = (f"P{n:04d},{self.dice.randrange(1, 90)},{self.dice.randrange(290, 90_000)}" for n in range(rows))
        return "sku,sold,cents\n" + "\n".join(body) + "\n"


def site(folder: Path, release: int) -> None:
    """The old web site as of a release."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = ("index", "about", "contact", "terms", *(f"news-{n}" for n in range(1, release)))
    for page in pages:
        (folder / f"{page}.html").write_text(
            f"<!doctype html>\n<title>{page}</title>\n<p>Release {release}</p>\n", "utf-8"
        )


def uploads(folder: Path, dice: random.Random) -> None:
    """What customers sent in."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 13):
        (folder / f"photo-{number:02d}.jpg").write_bytes(b"\xff\xd8\xff\xe0" + dice.randbytes(30_000))
