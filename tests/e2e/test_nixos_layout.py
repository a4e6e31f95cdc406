"""A machine laid out like NixOS, and the program as nixpkgs wraps it: it works by running there, not by evaluating.

Programs are in /run/current-system/sw/bin only (with /bin/sh and /usr/bin/env); the package and what it needs stand in
folders that the interpreter knows nothing of: the wrapped script adds them. Needs root, for a mount namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.servers.common import missing
from tests.thorough import seldom

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (ROOT / "dysnomia_tui", ROOT / "plugins" / "dysnomia_plugins", *(ROOT / "store").glob("dysnomia_*"))
SW = Path("/run/current-system/sw/bin")
COMMANDS = {
    "dysnomia": "dysnomia_tui.cli.dysnomia", "dysnomia-snapshots": "dysnomia_tui.cli.snapshots.command",
    "dysnomia-containers": "dysnomia_tui.cli.containers.command", "dysnomia-tui": "dysnomia_tui.cli.tui.command",
}  # fmt: skip

LAYOUT = """
set -e
work=$1; shift
mount -t tmpfs none /run
mkdir -p /run/current-system/sw/bin "$work/usr-bin" "$work/empty"
mount --bind /usr/bin /run/current-system/sw/bin
cd /run/current-system/sw/bin
cp -P env sh dash "$work/usr-bin/"
PATH=/run/current-system/sw/bin
mount --bind "$work/usr-bin" /usr/bin
mount --bind "$work/empty" /usr/sbin
mount --bind "$work/empty" /usr/local/bin
cd "$work/odd"
exec env -i PATH=/run/current-system/sw/bin HOME="$work/home" DYSNOMIA_STATEDIR="$work/state" \\
    DYSNOMIA_CONTAINERS_PATH="$work/containers" DYSNOMIA_COMPONENTS_PATH="$work/components" \\
    DYSNOMIA_MODULES_PATH="$work/modules" "$@"
"""

WRAPPED = """\
#!{python}
import sys;import site;import functools;sys.argv[0] = {name!r};\
functools.reduce(lambda k, p: site.addsitedir(p, k), {folders!r}, site._init_pathinfo());
import re
from {module} import main
if __name__ == "__main__":
    sys.exit(main())
"""
WRAPPER = """\
#!/run/current-system/sw/bin/bash -e
PATH=${{PATH:+':'$PATH':'}}
export PATH
export PYTHONNOUSERSITE='true'
exec -a "$0" "{wrapped}" "$@"
"""
BY_VARIABLE = """\
#!/run/current-system/sw/bin/bash -e
export PYTHONPATH='{path}'
exec {python} "$(dirname "$0")/.{name}-script" "$@"
"""
"""As wrappers do it that know of no site folders."""
MODULE = """\
#!/run/current-system/sw/bin/bash
set -e
snapshots=$DYSNOMIA_STATEDIR/snapshots/$(basename "$3")/$(basename "$2")
generations=$DYSNOMIA_STATEDIR/generations/$(basename "$3")/$(basename "$2")
dysnomia-snapshots --help >/dev/null
case $1 in
    snapshot) id=$(sha256sum <"$file" | cut -c1-64); mkdir -p "$snapshots/$id" "$generations"
        cp "$file" "$snapshots/$id/file"
        ln -s "../../../snapshots/$(basename "$3")/$(basename "$2")/$id" "$generations/1";;
    restore) cp "$generations/1/file" "$file";;
esac
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


def interpreter() -> Path:
    """The Python that the virtual environment was made from, where it is to be found in that layout."""
    found = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}").resolve()
    return SW / found.name if found.parent == Path("/usr/bin") else found


def packages(work: Path) -> list[str]:
    """Two folders of a Nix store: ours, and what it needs."""
    ours, needed = work / "store" / "ours" / "site-packages", work / "store" / "needed" / "site-packages"
    for folder in (ours, needed):
        folder.mkdir(parents=True)
    for package in PACKAGES:
        shutil.copytree(package, ours / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name.startswith("dysnomia_tui-"):
            (ours / entry.name).symlink_to(entry)
        elif entry.suffix != ".pth" and "dysnomia" not in entry.name:
            (needed / entry.name).symlink_to(entry)
    return [str(ours), str(needed)]


def as_nixpkgs_does(work: Path, folders: list[str]) -> None:
    for name, module in COMMANDS.items():
        wrapped, wrapper = work / "bin" / f".{name}-wrapped", work / "bin" / name
        wrapped.write_text(WRAPPED.format(python=interpreter(), name=str(wrapper), module=module, folders=folders))
        wrapper.write_text(WRAPPER.format(wrapped=wrapped))


def by_variable(work: Path, folders: list[str]) -> None:
    for name, module in COMMANDS.items():
        (work / "bin" / f".{name}-script").write_text(f"import sys; from {module} import main; sys.exit(main())\n")
        (work / "bin" / name).write_text(BY_VARIABLE.format(path=":".join(folders), python=interpreter(), name=name))


@pytest.fixture(params=seldom([as_nixpkgs_does, by_variable], as_nixpkgs_does))
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        missing("a mount namespace", "run the tests as root, with util-linux")
    work = tmp_path / "w"
    for folder in ("bin", "odd", "home", "containers", "modules", "live", "db", "svn"):
        (work / folder).mkdir(parents=True)
    for name in ("json", "argparse", "subprocess", "dysnomia_tui"):
        (work / "odd" / f"{name}.py").write_text(f"open({str(work / 'imported')!r}, 'w').close()\n")
    request.param(work, packages(work))
    for command in (work / "bin").iterdir():
        command.chmod(0o755)
    inside = [shutil.which("unshare") or "unshare", "-m", "--propagation", "private", "bash", "-c", LAYOUT, "layout"]

    def run(name: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        argv = [*inside, str(work), str(work / "bin" / name), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=280)
        assert done.returncode == status, f"{name} {arguments}: {done.returncode} {done.stdout}{done.stderr}"
        assert not (work / "imported").exists(), "something was imported from the folder one stands in"
        return done

    return run


def configure(work: Path) -> None:
    texts = {
        "files": f"type=fileset\ntargetDir={work}/live\n", "db": f"type=sqlite-database\nsqliteDir={work}/db\n",
        "svn": f"type=subversion-repository\nsvnBaseDir={work}/svn\n", "mod": f"type=mod\nfile={work}/live/mod\n",
    }  # fmt: skip
    for name, text in texts.items():
        (work / "containers" / name).write_text(text)
        (work / "components" / name / "comp").mkdir(parents=True)
    (work / "components" / "files" / "comp" / ".dysnomia-fileset").write_text("mkdir documents\n")
    (work / "modules" / "mod").write_text(MODULE)
    (work / "modules" / "mod").chmod(0o755)
    (work / "live" / "mod").write_text("first\n")


def in_layout(name: str) -> bool:
    """Whether a program is there, seen from outside: a link that leads out by ``..`` leads nowhere in there."""
    path = Path("/usr/bin", name)
    return path.exists() and not (path.is_symlink() and os.readlink(path).startswith("../"))


@pytest.mark.parametrize("name", ["files", "db", "svn", "mod"])
def test_every_type_that_needs_programs_works(run: Run, tmp_path: Path, name: str) -> None:
    work = tmp_path / "w"
    configure(work)
    run("dysnomia", "-o", "activate", "-C", name, "-c", "comp")
    run("dysnomia", "-o", "snapshot", "-C", name, "-c", "comp", "--scheduled")
    (work / "live" / "mod").write_text("second\n")
    run("dysnomia", "-o", "restore", "-C", name, "-c", "comp")
    assert ((work / "live" / "mod").read_text() == "first\n") == (name == "mod")
    assert f"{name}/comp" in run("dysnomia-snapshots", "--query-latest").stdout


def test_a_diff_and_a_timers_snapshot_work(run: Run, tmp_path: Path) -> None:
    work = tmp_path / "w"
    configure(work)
    run("dysnomia", "-o", "activate", "-C", "files", "-c", "comp")
    run("dysnomia-containers", "--snapshot", "--scheduled")
    (work / "live" / "documents" / "new").write_text("new\n")
    run("dysnomia-containers", "--snapshot", "--scheduled")
    assert "new" in run("dysnomia-snapshots", "--diff", "1", "2", "-C", "files", "-c", "comp").stdout


def test_no_program_that_is_there_is_missed(run: Run) -> None:
    lines = run("dysnomia-tui", "plugins").stdout.splitlines()
    for line in lines:
        if "MISSING" in line:
            named = line.partition("MISSING ")[2].partition(":")[0].split(", ")
            assert [name for name in named if in_layout(name)] == [], line
    assert any("subversion-repository" in line for line in lines)
