"""No plugin changes or opens files by path below a place of state: that is the work of ``guarded`` alone.

Whoever owns a folder there may put a link in the place of any file at any moment, and root would go through it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import dysnomia_plugins

PLUGINS = Path(dysnomia_plugins.__file__).parent
BY_OS = {
    "chmod", "chown", "lchmod", "lchown", "link", "makedirs", "mkdir", "mkfifo", "mknod", "open", "remove",
    "removedirs", "rename", "renames", "replace", "rmdir", "setxattr", "removexattr", "symlink", "truncate", "unlink",
    "utime", "walk",
}  # fmt: skip
"""Functions of ``os`` that take a path; with ``dir_fd`` they take a name in a folder that is open."""
BY_SHUTIL = {"chown", "copy", "copy2", "copyfile", "copymode", "copystat", "copytree", "move", "rmtree"}
BY_PATH = {
    "chmod", "hardlink_to", "lchmod", "mkdir", "read_bytes", "read_text", "resolve", "rmdir", "symlink_to", "touch",
    "write_bytes", "write_text",
}  # fmt: skip
"""Methods of ``Path``. ``unlink`` is one where it takes no name, ``open`` where it takes a mode, ``rename`` always."""

PROC = "what the kernel tells in /proc: nobody else writes there"
CONFIG = "configuration: whose it must be is asked where it is read"
INITIAL = "the component's own files, which are configuration"
OURS = "in the store or the job's own folder, where nobody else may write"
BY_FOLDER = "a method of Folder, which is by descriptor"
COMPARED = "only compared: nothing is opened by it"
SYSTEM = "folders of the system's own, below /etc and /run, which are root's"

ALLOWED = {
    ("toolkit/accounts.py", "Path.read_text"): CONFIG,
    ("toolkit/containers/engine.py", "os.path.realpath"): COMPARED,
    ("toolkit/containers/reach.py", "Path.read_bytes"): PROC,
    ("toolkit/durable.py", "os.open"): OURS,
    ("toolkit/processes.py", "Path.read_bytes"): PROC,
    ("toolkit/processes.py", "Path.read_text"): PROC,
    ("toolkit/processes.py", "os.open"): "a descriptor of a process's own, in /proc: it leads nowhere else",
    ("toolkit/stalled.py", "open"): PROC,
    ("toolkit/run_records.py", "Path.read_bytes"): BY_FOLDER,
    ("loading/external.py", "Path.mkdir"): OURS,
    ("loading/external.py", "Path.open"): "a module's first line: modules are configuration",
    ("loading/external.py", "Path.touch"): OURS,
    ("loading/offered.py", "Path.read_text"): "what installed distributions say of themselves, beside the code we run",
    ("toolkit/mounts.py", "open"): PROC,
    ("toolkit/filesets/spec.py", "Path.read_bytes"): INITIAL,
    ("types/mysql/discover.py", "os.path.realpath"): COMPARED,
    ("types/mysql/server.py", "os.path.realpath"): COMPARED,
    ("types/mysql/plugin.py", "Path.open"): INITIAL,
    ("types/postgresql/discover.py", "os.path.realpath"): COMPARED,
    ("types/postgresql/server.py", "os.path.realpath"): COMPARED,
    ("types/postgresql/plugin.py", "Path.open"): INITIAL,
    ("config_files/properties.py", "os.open"): CONFIG,
    ("types/docker/spec.py", "Path.read_bytes"): INITIAL,
    ("types/docker/volume.py", "os.path.realpath"): COMPARED,
    ("types/docker/volumes.py", "Path.read_text"): PROC,
    ("toolkit/listeners.py", "Path.read_text"): PROC,
    ("types/etcd/plugin.py", "Path.open"): INITIAL,
    ("types/maildir/numbers.py", "Path.read_bytes"): BY_FOLDER,
    ("types/rabbitmq/node.py", "Path.read_bytes"): BY_FOLDER,
    ("types/rabbitmq/plugin.py", "Path.read_bytes"): INITIAL,
    ("types/managed/generated.py", "os.path.realpath"): COMPARED,
    ("types/systemd/manager.py", "os.path.realpath"): COMPARED,
    ("toolkit/links.py", "Path.chmod"): SYSTEM,
    ("toolkit/links.py", "Path.mkdir"): SYSTEM,
    ("toolkit/links.py", "Path.symlink_to"): SYSTEM,
    ("toolkit/links.py", "Path.unlink"): SYSTEM,
    ("toolkit/links.py", "os.open"): SYSTEM,
    ("toolkit/links.py", "os.path.realpath"): COMPARED,
    ("toolkit/links.py", "os.replace"): SYSTEM,
    ("types/redis/files.py", "os.open"): OURS,
    ("types/redis/initial.py", "Path.open"): INITIAL,
    ("types/redis/rdb_file.py", "Path.open"): INITIAL,
    ("types/redis/plugin.py", "Path.open"): OURS,
    ("types/redis/plugin.py", "Path.unlink"): OURS,
    ("types/redis/resp.py", "os.open"): "O_PATH, to reach a socket whose path is too long: nothing of it is read",
    ("types/redis/server.py", "os.path.realpath"): COMPARED,
    ("types/redis/swap.py", "Path.open"): OURS,
    ("types/redis/swap.py", "Path.unlink"): OURS,
    ("types/ejabberd/sorting.py", "Path.open"): OURS,
    ("types/ejabberd/sorting.py", "Path.unlink"): OURS,
    ("types/ejabberd/node.py", "Path.read_bytes"): BY_FOLDER,
    ("types/ejabberd/plugin.py", "Path.open"): INITIAL,
    ("types/nixos/plugin.py", "os.path.realpath"): COMPARED,
    ("types/nixos/profile.py", "os.path.realpath"): COMPARED,
    ("types/openldap/activation.py", "Path.open"): INITIAL,
    ("types/influx/activation.py", "Path.open"): INITIAL,
    ("types/mongo/activation.py", "Path.read_bytes"): INITIAL,
    ("types/mongo/source.py", "Path.open"): INITIAL,
    ("types/influx/swap.py", "Path.read_bytes"): BY_FOLDER,
    ("types/openldap/config.py", "Path.read_bytes"): BY_FOLDER,
    ("types/openldap/discover.py", "os.path.realpath"): COMPARED,
    ("toolkit/units.py", "Path.read_text"): PROC,
    ("types/sqlite/activation.py", "Path.read_text"): INITIAL,
    ("types/git/activation.py", "Path.open"): INITIAL,
    ("types/git/discover.py", "os.path.realpath"): COMPARED,
    ("types/git/dump.py", "Path.open"): OURS,
    ("types/git/dump.py", "Path.read_bytes"): BY_FOLDER,
    ("types/git/dump.py", "Path.unlink"): OURS,
    ("types/git/repository.py", "Path.read_bytes"): BY_FOLDER,
    ("types/subversion/activation.py", "Path.open"): INITIAL,
    ("types/subversion/discover.py", "Path.open"): "the first line of a file called format, to know a repository by",
    ("types/subversion/discover.py", "os.path.realpath"): COMPARED,
    ("types/subversion/discover.py", "os.walk"): "looks for repositories: nothing is changed",
    ("toolkit/repositories/files.py", "Path.open"): OURS,
    ("toolkit/repositories/files.py", "Path.unlink"): OURS,
    ("toolkit/repositories/plugin.py", "os.path.realpath"): COMPARED,
    ("types/subversion/locks.py", "Path.read_bytes"): BY_FOLDER,
    ("types/subversion/repository.py", "Path.read_bytes"): BY_FOLDER,
    ("types/subversion/servers.py", "os.path.realpath"): COMPARED,
    ("types/subversion/swap.py", "Path.read_bytes"): BY_FOLDER,
    ("types/tomcat/archives.py", "os.walk"): "looks for the component's own archives: nothing is changed",
    ("types/xinetd/server.py", "Path.read_text"): PROC,
    ("types/xinetd/services.py", "Path.read_text"): INITIAL,
    ("toolkit/folder_links.py", "os.path.realpath"): COMPARED,
    ("toolkit/trees/extract.py", "os.utime"): "of a descriptor",
    ("toolkit/filesets/putting/folders.py", "os.utime"): "of a descriptor",
    ("toolkit/trees/users.py", "open"): PROC,
}
"""(file, call) -> why it may be there."""


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Calls in a file that take a path, and their lines."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and (found := _named(node)):
            yield found, node.lineno


def _looked_at() -> Iterator[tuple[str, Path]]:
    for path in sorted(PLUGINS.rglob("*.py")):
        name = str(path.relative_to(PLUGINS))
        if not name.startswith("toolkit/guarded/"):
            yield name, path


def _named(call: ast.Call) -> str:
    called = call.func
    if isinstance(called, ast.Name):
        return "open" if called.id == "open" else ""
    if not isinstance(called, ast.Attribute):
        return ""
    name, on = called.attr, called.value
    if isinstance(on, ast.Name) and on.id in ("os", "shutil"):
        taken = BY_OS if on.id == "os" else BY_SHUTIL
        below = any((word.arg or "").endswith("dir_fd") for word in call.keywords)
        return f"{on.id}.{name}" if name in taken and not below else ""
    if name == "realpath":
        return "os.path.realpath"
    if name in BY_PATH or (name == "unlink" and not call.args) or (name == "rename" and len(call.args) == 1):
        return f"Path.{name}"
    mode = call.args[0] if name == "open" and call.args else None
    return "Path.open" if isinstance(mode, ast.Constant) and set(str(mode.value)) <= set("rwabx+t") else ""


def test_files_of_state_are_worked_on_by_descriptor_alone() -> None:
    strange = [
        f"{name}:{line}: {call}"
        for name, path in _looked_at()
        for call, line in calls(path)
        if (name, call) not in ALLOWED
    ]
    assert not strange, "use dysnomia_plugins.toolkit.guarded, or say here why not:\n" + "\n".join(strange)


def test_nothing_is_allowed_that_is_no_longer_there() -> None:
    there = {(name, call) for name, path in _looked_at() for call, _ in calls(path)}
    assert not ALLOWED.keys() - there


def test_the_calls_that_are_looked_for_are_found(tmp_path: Path) -> None:
    text = """
import os, shutil
os.chmod(p, 0o600); os.open(p, 0); os.unlink(n, dir_fd=f); shutil.copy2(p, q); open(p)
p.chmod(1); p.write_text("x"); p.write_bytes(b"x"); p.unlink(); folder.unlink(n); p.rename(q); p.open("rb"); s.open()
os.rename(a, b, src_dir_fd=f, dst_dir_fd=g); os.path.realpath(p); "a".replace("a", "b")
"""
    (tmp_path / "some.py").write_text(text)
    assert {call for call, _ in calls(tmp_path / "some.py")} == {
        "os.chmod", "os.open", "shutil.copy2", "open", "Path.chmod", "Path.write_text", "Path.write_bytes",
        "Path.unlink", "Path.rename", "Path.open", "os.path.realpath",
    }  # fmt: skip
