"""Single changes of an account's mail, each of them another state."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.plugins.servers.dovecot import message


def _came_at(path: Path) -> tuple[str, tuple[int | str, ...], str]:
    """Dovecot writes the microseconds without leading zeros: `M44751` comes before `M120034`."""
    parts = re.split(r"([0-9]+)", path.name, flags=re.ASCII)
    return path.parent.name, tuple(int(part) if at % 2 else part for at, part in enumerate(parts)), path.name


def messages(mailbox: Path) -> list[Path]:
    """Right in one mailbox, in the order in which they came: that of their UIDs, in `cur` and then in `new`."""
    return sorted(
        (one for folder in ("cur", "new") if (mailbox / folder).is_dir() for one in (mailbox / folder).iterdir()),
        key=_came_at,
    )


def mailboxes(top: Path) -> list[Path]:
    return sorted(one.parent for one in top.rglob("cur") if one.is_dir())


def _word(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=12))


def _some(top: Path, random: Random) -> Path:
    return random.choice([one for box in mailboxes(top) for one in messages(box)])


def _came(top: Path, random: Random) -> str:
    path = random.choice(mailboxes(top)) / "new" / f"17{_word(random)}.P1.host"
    path.write_bytes(message(_word(random)))
    return str(path)


def _deleted(top: Path, random: Random) -> str:
    _came(top, random)
    path = _some(top, random)
    path.unlink()
    _came(top, random)
    return str(path)


def _read(top: Path, random: Random) -> str:
    path = _some(top, random)
    base, _, flags = path.name.partition(":2,")
    letter = random.choice("DFPRSTabc")
    now = "".join(sorted(set(flags) ^ {letter}))
    path.rename(path.parent.parent / "cur" / f"{base}:2,{now}")
    return f"{path} {letter}"


def _moved(top: Path, random: Random) -> str:
    path = _some(top, random)
    to = random.choice([box for box in mailboxes(top) if box != path.parent.parent])
    path.rename(to / "cur" / f"{_word(random)}:2,S")
    return f"{path} to {to}"


def _copied(top: Path, random: Random) -> str:
    path = _some(top, random)
    to = random.choice(mailboxes(top)) / "cur" / f"{_word(random)}:2,"
    os.link(path, to)
    return f"{path} to {to}"


def _changed(top: Path, random: Random) -> str:
    path = _some(top, random)
    content = bytearray(path.read_bytes())
    content[random.randrange(len(content))] ^= 1
    path.unlink()
    path.write_bytes(content)
    return str(path)


def _mailbox(top: Path, random: Random) -> str:
    path = top / f".{_word(random)}"
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    (path / "maildirfolder").write_text("")
    return str(path)


def _renamed_mailbox(top: Path, random: Random) -> str:
    _mailbox(top, random)
    path = random.choice([box for box in mailboxes(top) if box != top and box.name not in (".Sent", ".Work.Projects")])
    to = path.with_name(f".{_word(random)}")
    path.rename(to)
    return f"{path} to {to}"


def _keyword(top: Path, random: Random) -> str:
    path = random.choice(mailboxes(top)) / "dovecot-keywords"
    lines = path.read_text().splitlines() if path.exists() else []
    path.write_text("".join(f"{line}\n" for line in (*lines, f"{len(lines)} {_word(random)}")))
    return str(path)


def _subscription(top: Path, random: Random) -> str:
    path = top / "subscriptions"
    path.write_text(path.read_text() + _word(random) + "\n")
    return str(path)


def _acl(top: Path, random: Random) -> str:
    path = random.choice(mailboxes(top)) / "dovecot-acl"
    path.write_text(f"user={_word(random)} lr\n")
    return str(path)


def _sieve(top: Path, random: Random) -> str:
    path = top / "sieve" / f"{_word(random)}.sieve"
    path.write_text("keep;\n")
    return str(path)


def _active(top: Path, random: Random) -> str:
    path = top / "sieve" / "active"
    path.unlink()
    path.symlink_to(f"{_word(random)}.sieve")
    return str(path)


def _mode(top: Path, random: Random) -> str:
    path = _some(top, random)
    path.chmod(path.stat().st_mode & 0o7777 ^ random.choice([0o040, 0o004, 0o020]))
    return str(path)


CHANGES: dict[str, Callable[[Path, Random], str]] = {
    "a message came": _came,
    "a message was deleted": _deleted,
    "a flag": _read,
    "a message was moved": _moved,
    "a message was copied": _copied,
    "a message's content": _changed,
    "a mailbox": _mailbox,
    "a mailbox was renamed": _renamed_mailbox,
    "a keyword": _keyword,
    "a subscription": _subscription,
    "an access list": _acl,
    "a script": _sieve,
    "the active script": _active,
    "a mode": _mode,
}
