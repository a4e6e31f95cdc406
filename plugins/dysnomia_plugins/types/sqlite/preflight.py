"""What the plan of a restore must say before anything is touched: from headers and the file system alone."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from dysnomia_plugins.base import Context, Preflight, Severity, Stored
from dysnomia_plugins.toolkit.findings import Findings, free_bytes, on_fixed, on_read_only
from dysnomia_plugins.types.sqlite.files import sees_all, sidecar, who
from dysnomia_plugins.types.sqlite.load import header_of
from dysnomia_plugins.types.sqlite.opening import DatabaseLocked, Header, NotADatabase, show
from dysnomia_plugins.types.sqlite.site import site_of
from dysnomia_plugins.types.sqlite.swap import page_size_refusal
from dysnomia_store.model import Metadata

_ENCODINGS = {"UTF-8": 1, "UTF-16le": 2, "UTF-16be": 3}
_BY_BACKUP = (
    "the live file's content would be replaced within one transaction of SQLite's own; no file would be renamed"
)
_GUARD = "taken under the write lock of that transaction: it holds every write that was acknowledged"


def preflight(ctx: Context, stored: Stored, live: Path, *, replace: bool) -> Preflight:
    """See ``StatePlugin.preflight``."""
    header = header_of(stored)
    metadata = stored.metadata
    content = metadata.content_size if metadata is not None else 0
    findings = Findings()
    if not ctx.made_here:
        findings.add(
            Severity.DANGEROUS if replace else Severity.WARNING,
            "it was not made here: the triggers and views in it are code that programs run when they use it",
            of_snapshot=True,
        )
    folder = live.parent
    read_only = list(on_read_only(str(folder)))
    findings.list.extend(read_only)
    if not read_only and not folder.is_dir():
        text = f"the folder {show(folder)} is not there: make it as its programs need it ({_making(folder, metadata)})"
        findings.add(Severity.BLOCKER, text)
    elif not read_only and not os.access(folder, os.W_OK | os.X_OK):
        findings.add(
            Severity.BLOCKER, f"permission denied: the folder {show(folder)} is not writable; run as root or its owner"
        )
    free = free_bytes(folder)
    if not replace or read_only:
        return Preflight(findings=tuple(findings.list), needs=((show(folder), content, free),))
    size = live.stat().st_size if live.is_file() else None
    swap, guard = _replacing(findings, live, header)
    journal = max(size or 0, content)  # the transaction's own -wal or -journal
    return Preflight(
        findings=tuple(findings.list),
        live_bytes=size,
        needs=((show(folder), content + (size or 0) + journal, free),),
        swap=swap,
        guard=guard,
    )


def _making(folder: Path, metadata: Metadata | None) -> str:
    """The command that makes a folder for the owner of the file that was in it."""
    owner = metadata.surroundings.get("owner") if metadata is not None else None
    return f"install -d {f'-o {shlex.quote(str(owner))} ' if owner else ''}{shlex.quote(show(folder))}"


def _replacing(findings: Findings, live: Path, header: Header) -> tuple[str, str]:
    """How the swap is made, and what the guard is."""
    if not live.exists():
        findings.add(Severity.NOTE, f"there is no live file: {show(live)} would be made")
        return "the file would appear under its name in one step", "there is nothing live to guard"
    if not live.is_file():
        findings.add(Severity.BLOCKER, f"{show(live)} is not a regular file")
        return "", ""
    holders = who(live)
    try:
        _compare(findings, live, header)
    except NotADatabase as error:
        return _not_a_database(findings, live, str(error), holders)
    except DatabaseLocked:
        findings.add(
            Severity.WARNING, f"{show(live)} is locked now: the restore would wait for it, and give up in the end"
        )
    if holders:
        findings.add(Severity.NOTE, f"open in {holders}: they stay connected, and see the restored state")
    elif not sees_all():
        findings.add(Severity.NOTE, "processes of other users that have it open cannot be seen without root")
    fixed = list(on_fixed(str(live)))
    findings.list.extend(fixed)
    if not fixed and not os.access(live, os.W_OK):
        findings.add(Severity.BLOCKER, f"permission denied: {show(live)} is not writable; run as root or its owner")
    return _BY_BACKUP, _GUARD


def _compare(findings: Findings, live: Path, header: Header) -> None:
    """What of the live file stands against the snapshot. Raises NotADatabase, DatabaseLocked, PluginError."""
    with site_of(live).opened() as connection:
        connection.execute("PRAGMA busy_timeout=300")
        tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        mode, page_size, encoding = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "page_size", "encoding")
        )
    if mode == "wal" and page_size != header.page_size:
        text = page_size_refusal(live, page_size, header.page_size)
        findings.add(Severity.BLOCKER, f"{text}; restore it as a copy", of_snapshot=True)
    if tables and header.encoding and _ENCODINGS.get(encoding) != header.encoding:
        text = f"the live database is {encoding}, the snapshot is not: programs must connect anew"
        findings.add(Severity.WARNING, text, of_snapshot=True)


def _not_a_database(findings: Findings, live: Path, why: str, holders: str) -> tuple[str, str]:
    if holders:
        findings.add(
            Severity.BLOCKER, f"{why}; it is open in {holders}, and can be replaced only while nobody has it open"
        )
    else:
        findings.add(Severity.IRREVERSIBLE, f"{why}: it cannot be made a guard, but is kept beside as it is")
        if not sees_all():
            findings.add(Severity.WARNING, "processes of other users that have it open cannot be seen without root")
    beside = [suffix for suffix in ("-wal", "-journal") if sidecar(live, suffix).exists()]
    if beside:
        findings.add(Severity.NOTE, f"files beside it are kept with it: {', '.join(beside)}")
    return "the file would be set aside, and the restored one take its name", "none: the file itself is kept"
