"""A database's initial state: below the component's ``mongo-databases``, a dump by ``mongodump``, or JavaScript.

Dysnomia's module gives the files to the server's shell; so is done with ``*.js`` here, which needs ``mongosh`` (or the
older ``mongo``). Files of a dump need no shell: they are loaded beside, and shown at once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import PluginError, ToolMissing
from dysnomia_plugins.toolkit.servers import await_server
from dysnomia_plugins.types.mongo import load, source, swap
from dysnomia_plugins.types.mongo.places import Spot
from dysnomia_plugins.types.mongo.server import Server

INITIAL = "mongo-databases"
SHELLS = ("mongosh", "mongo")


def activate(ctx: Context, server: Server, live: str, beside: str, aside: str) -> None:
    """Lay down the initial state where there is none. MongoDB makes a database with its first document.

    Raises PluginError; what was loaded beside is dropped."""
    spot = Spot.of(live)
    await_server(ctx, lambda: _answers(server))
    with server.client() as client:
        if spot.exists(client):
            return
    folder = ctx.component.path / INITIAL
    files = [path for path in ctx.component.initial_files(INITIAL, "**/*") if path.is_file()]
    scripts = [path for path in files if path.suffix == ".js"]
    dumped = [path for path in files if path.suffix != ".js"]
    shell = _shell(ctx) if scripts else ""
    if dumped:
        _load(ctx, server, source.of_folder(folder, dumped), live, beside, aside)
    if scripts:
        _run(ctx, server, shell, live, scripts)


def _answers(server: Server) -> bool:
    with server.client() as client:
        client.admin.command("ping")
    return True


def _load(ctx: Context, server: Server, parts: Sequence[source.Part], live: str, beside: str, aside: str) -> None:
    try:
        load.load(ctx, server, parts, beside)
    except BaseException:
        with server.client() as client:
            Spot.of(beside).drop(client)
        raise
    swap.swap(ctx, server, live, beside, aside)


def _shell(ctx: Context) -> str:
    """Raises ToolMissing."""
    for name in SHELLS:
        path = shutil.which(name, path=ctx.tool_path)
        if path:
            return path
    raise ToolMissing(
        f"{' and '.join(SHELLS)} are not installed, and the initial state of {ctx.component.key} is JavaScript",
        f"install mongosh, or put a dump by mongodump into {INITIAL} of the component",
    )


def _run(ctx: Context, server: Server, shell: str, live: str, scripts: Sequence[Path]) -> None:
    """The account is told to the shell on its standard input, where nobody else sees it. Raises PluginError."""
    lines = []
    if server.user:
        account = f"{json.dumps(server.user)}, {json.dumps(server.password)}"
        lines.append(f"db.getSiblingDB({json.dumps(server.auth_database)}).auth({account});\n".encode())
    try:
        lines += [path.read_bytes() + b"\n" for path in scripts]
    except OSError as error:
        raise PluginError(
            f"{error.filename} cannot be read ({error.strerror})", "check the component's files"
        ) from error
    ctx.runner.run([shell, "--quiet", "--norc", server.address(live)], stdin=b"".join(lines))
    with server.client() as client:
        if not Spot.of(live).exists(client):
            raise PluginError(
                f"the initial state of {live} made nothing", f"run its files in {Path(shell).name} to see why"
            )
