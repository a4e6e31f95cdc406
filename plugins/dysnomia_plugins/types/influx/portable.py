"""A portable backup, as ``influxd backup -portable`` and so Dysnomia's module makes one, served by a server of our own.

It is a folder of files: the server's ``meta.db`` (with all its databases and accounts), a manifest, and a tar with the
files of each shard. InfluxDB's own restore leaves out which points were deleted (``*.tombstone``) and all continuous
queries. So these files are put into the folders of a new server: it has nothing but the one database and an account of
ours with a random key, runs as nobody of importance, and ends with the job.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import posixpath
import pwd
import re
import secrets
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from dysnomia_plugins.base import Context, Stored
from dysnomia_plugins.errors import PluginError, Unsupported
from dysnomia_plugins.toolkit.guarded.folder import PRIVATE_FOLDER, Folder, hand_over, hand_over_tree
from dysnomia_plugins.toolkit.guarded.system import write_all
from dysnomia_plugins.types.influx import meta
from dysnomia_plugins.types.influx.contents import DUMP
from dysnomia_plugins.types.influx.server import Server

_MANIFEST, _META, _TAR = ".manifest", ".meta", ".tar"
_MOST_MANIFEST = 16 << 20
_WHO = "dysnomia"
_FOLDER = "server"
_START_SECONDS = 600.0
_LOOK = 0.05
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
_FILE = re.compile(r"[0-9A-Za-z_-]{1,100}\.(?:tsm|tombstone)")
_LISTENS = re.compile(rb"addr=(?:\[::\]|127\.0\.0\.1):(\d+)")
_CONFIG = """reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "meta"
  retention-autocreate = false
[data]
  dir = "data"
  wal-dir = "wal"
  compact-full-write-cold-duration = "1000h"
[http]
  bind-address = "127.0.0.1:0"
  log-enabled = false
  auth-enabled = true
  shared-secret = "{secret}"
[monitor]
  store-enabled = false
[continuous_queries]
  enabled = false
[retention]
  enabled = false
[shard-precreation]
  enabled = false
[subscriber]
  enabled = false
"""


class _Enough(Exception):
    pass


class _ToItsEnd:
    """Reads a tar, and knows whether it ends as one: with two blocks of zeros at least, and nothing behind them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._total = self._zeros_from = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        last = len(piece.rstrip(b"\0"))
        if last:
            self._zeros_from = self._total + last
        self._total += len(piece)
        return piece

    def require_end(self, at: int) -> None:
        """``at``: where its last file ends. Raises EOFError."""
        while self.read(1 << 20):
            pass
        if self._zeros_from > at or self._total - at < 2 * tarfile.BLOCKSIZE:
            raise EOFError


def is_one(stored: Stored) -> bool:
    """Whether a snapshot is a portable backup."""
    names = stored.artefacts()
    return DUMP not in names and any(name.endswith(_MANIFEST) for name in names)


def refuse_rows(stored: Stored) -> None:
    """Raises Unsupported for a portable backup: only a server reads one."""
    if is_one(stored):
        raise Unsupported(
            "this snapshot is a portable backup of InfluxDB, whose points only a server can read",
            "restore it as a copy, and take a snapshot after it is live",
        )


@contextmanager
def serving(ctx: Context, stored: Stored) -> Iterator[tuple[Server, str]]:
    """A server that holds what the backup holds, and the database's name there. Raises PluginError, Corrupt."""
    manifest = _manifest(stored)
    database = _database(ctx, manifest)
    secret = secrets.token_hex(32)
    user = _user()
    try:
        with Folder.at(str(ctx.staging)) as staging:
            name = f"{_FOLDER}-{secrets.token_hex(4)}"
            with staging.make_folder(name) as folder:
                try:
                    _fill(ctx, stored, manifest, database, folder, secret)
                    if user is not None:
                        hand_over_tree(folder, user.pw_uid, user.pw_gid)
                        hand_over(folder.descriptor, user.pw_uid, user.pw_gid, PRIVATE_FOLDER)
                    with _running(ctx, folder, user, secret) as server:
                        yield server, database
                finally:
                    staging.remove(name)
    except OSError as error:
        raise PluginError(f"the backup could not be unpacked ({error.strerror})", "make room in the store") from error


def _user() -> pwd.struct_passwd | None:
    """Whom the server runs as, where we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("influxdb", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise PluginError("there is no user influxdb, and no nobody", "install InfluxDB's package")


# The files.


def _manifest(stored: Stored) -> dict[str, object]:
    names = [name for name in stored.artefacts() if name.endswith(_MANIFEST)]
    if len(names) != 1:
        raise PluginError(f"the portable backup has {len(names)} manifests", "it must have one")
    with stored.open(names[0]) as stream:
        try:
            manifest = json.loads(stream.read(_MOST_MANIFEST))
        except ValueError as error:
            raise PluginError(f"{names[0]} is not a manifest of InfluxDB", "check the snapshot") from error
    if not isinstance(manifest, dict):
        raise PluginError(f"{names[0]} is not a manifest of InfluxDB", "check the snapshot")
    return manifest


def _files(manifest: dict[str, object]) -> Iterator[dict[str, object]]:
    files = manifest.get("files")
    for one in files if isinstance(files, list) else []:
        if not isinstance(one, dict):
            raise PluginError("the manifest of the portable backup is damaged", "check the snapshot")
        yield one


def _database(ctx: Context, manifest: dict[str, object]) -> str:
    """The one database that the backup is of. One without points names none: it is the component's then."""
    names = {str(one.get("database")) for one in _files(manifest)}
    if len(names) > 1:
        raise PluginError(
            f"the portable backup is of several databases: {', '.join(sorted(names))}", "it must be of one"
        )
    return names.pop() if names else ctx.component.key.component


def _fill(
    ctx: Context, stored: Stored, manifest: dict[str, object], database: str, folder: Folder, secret: str
) -> None:
    content = _meta(stored, database)
    with folder.make_folder("meta") as made:
        made.write_new("meta.db", meta.alone(content, database, _WHO))
    folder.write_new("influxdb.conf", _CONFIG.format(secret=secret).encode())
    _require_all(ctx, stored, manifest, meta.shards(content, database))
    names = stored.artefacts()
    with folder.make_folder("wal"), folder.make_folder("data") as data:
        for one in _files(manifest):
            ctx.cancel.check()
            file = _file(one)
            artefact = next((name for name in names if name.endswith("/" + file) or name == file), None)
            if artefact is None or not file.endswith(_TAR):
                raise PluginError(f"the portable backup lacks {file[:100]}", "check the snapshot")
            where = [database, str(one.get("policy")), str(one.get("shardID"))]
            if any("/" in part or part in ("", ".", "..") for part in where):
                raise PluginError("the manifest of the portable backup names no folder", "check the snapshot")
            with stored.open(artefact) as stream, _made(data, where) as shard:
                _unpack(ctx, stream, shard)


def _file(one: dict[str, object]) -> str:
    return str(one.get("fileName")).removesuffix(".gz")


def _require_all(
    ctx: Context, stored: Stored, manifest: dict[str, object], shards: Mapping[tuple[str, int], bool]
) -> None:
    """Manifest, files and ``meta.db`` have the same shards. Raises PluginError.

    One that was never written to is in ``meta.db`` alone: a server makes them before they are needed."""
    listed = list(_files(manifest))
    surplus = {posixpath.basename(name) for name in stored.artefacts() if name.endswith(_TAR)} - set(map(_file, listed))
    if surplus:
        raise PluginError(f"the manifest of the portable backup lacks {min(surplus)[:100]}", "check the snapshot")
    held = [(str(one.get("policy")), str(one.get("shardID"))) for one in listed]
    known = {(policy, str(number)) for policy, number in shards}
    unknown = next((one for one in held if one not in known), None)
    if unknown is not None:
        raise PluginError(
            f"the portable backup holds shard {unknown[1][:40]} of {unknown[0][:100]!r}, which its {_META} file lacks",
            "check the snapshot",
        )
    if len(set(held)) != len(held):
        raise PluginError("the manifest of the portable backup names a shard twice", "check the snapshot")
    without = sorted(
        number for (policy, number), gone in shards.items() if not gone and (policy, str(number)) not in held
    )
    if without:
        ctx.progress.log(
            f"the portable backup has no points of shard {', '.join(map(str, without))}: none was written, or its"
            " files are lost"
        )


@contextmanager
def _made(folder: Folder, names: list[str]) -> Iterator[Folder]:
    opened = []
    try:
        for name in names:
            folder = folder.folder(name) if folder.seen(name) is not None else folder.make_folder(name)
            opened.append(folder)
        yield folder
    finally:
        for one in reversed(opened):
            one.close()


def _unpack(ctx: Context, stream: BinaryIO, shard: Folder) -> None:
    """The files of a shard, by their last names alone. Raises PluginError, also where ``tarfile`` would just end."""
    whole = _ToItsEnd(stream)
    try:
        with tarfile.open(fileobj=cast("BinaryIO", whole), mode="r|") as archive:
            for member in archive:
                name = posixpath.basename(member.name)
                if member.type not in _PLAIN or member.issparse() or not _FILE.fullmatch(name):
                    if member.isdir() or name == "fields.idx":
                        continue
                    raise PluginError(f"the portable backup holds {member.name[:100]!r}", "it was not unpacked")
                content = archive.extractfile(member)
                assert content is not None
                with shard.new_file(name) as descriptor:
                    while block := content.read(1 << 20):
                        ctx.cancel.check()
                        write_all(descriptor, block)
            whole.require_end(archive.offset)
    except (tarfile.TarError, EOFError, FileExistsError) as error:
        raise PluginError(
            f"a shard of the portable backup is damaged ({type(error).__name__})", "check the snapshot"
        ) from error


def _meta(stored: Stored, database: str) -> bytes:
    names = [name for name in stored.artefacts() if name.endswith(_META)]
    if len(names) != 1:
        raise PluginError(f"the portable backup has {len(names)} files {_META}", "it must have one")
    with stored.open(names[0]) as stream:
        packed = stream.read(meta.MAX_META)
    content = next((one.value for one in meta.fields(packed) if one.number == 1 and one.value is not None), b"")
    if database not in meta.names(content):
        raise PluginError(f"the portable backup does not define {database!r}", "check the snapshot")
    return content


# The server.


@contextmanager
def _running(ctx: Context, folder: Folder, user: pwd.struct_passwd | None, secret: str) -> Iterator[Server]:
    ports: list[int] = []
    output: list[str] = []

    def heard(line: bytes) -> None:
        output.append(line[-300:].decode("utf-8", "replace"))
        del output[:-5]
        if b"Listening on HTTP" in line and (match := _LISTENS.search(line)):
            ports.append(int(match[1]))

    argv = ["influxd", "run", "-config", "influxdb.conf"]
    run_as = user.pw_name if user is not None else None
    with (
        suppress(_Enough),
        ctx.runner.reading(
            argv, user=run_as, cwd=Path(folder.inside(".")), on_stderr=heard, env={"HOME": "/nonexistent"}
        ),
    ):
        until = time.monotonic() + _START_SECONDS
        while not ports:
            ctx.cancel.check()
            if time.monotonic() > until:
                raise PluginError(f"the server for the backup does not come up: {' '.join(output[-1:])}")
            time.sleep(_LOOK)
        yield Server(port=ports[0], token=_token(secret))
        raise _Enough


def _token(secret: str) -> str:
    """A JSON web token for our account there (RFC 7519, HS256)."""
    words = [{"alg": "HS256", "typ": "JWT"}, {"username": _WHO, "exp": int(time.time()) + 86400}]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in words)
    signed = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(signed).rstrip(b"=")).decode()
