"""NixOS: our module and package evaluated by a real Nix, and /etc/dysnomia as Dysnomia's own module writes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dysnomia_tui.config import load_settings
from dysnomia_tui.engine.machine.machine import Machine as Configured
from tests.e2e.world import World
from tests.plugins.servers.common import missing

ROOT = Path(__file__).resolve().parents[2]
NIX = ROOT / "dysnomia_tui" / "nix"
HERE = ROOT / "tests" / "nix"
PROGRAM = "/nix/store/00000000000000000000000000000000-dysnomia-tui"


class Nix:
    """nix-instantiate with a store of the test's own: nothing is made outside of it."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("nix-instantiate") is None:
            missing("Nix", "apt-get install nix-bin")
        self._folder = folder
        (folder / "etc").mkdir(parents=True)
        (folder / "etc" / "nix.conf").write_text("build-users-group =\nsandbox = false\nsubstitute = false\n")

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        at = self._folder
        environment = {
            "PATH": os.defpath, "HOME": str(at), "LC_ALL": "C.UTF-8", "NIX_REMOTE": "", "NIX_STORE_DIR": f"{at}/store",
            "NIX_STATE_DIR": f"{at}/var", "NIX_LOG_DIR": f"{at}/log", "NIX_CONF_DIR": f"{at}/etc",
        }  # fmt: skip
        there = Path("/nix").exists()
        done = subprocess.run(
            ["nix-instantiate", "--eval", "--strict", "--json", *argv],
            env=environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert Path("/nix").exists() == there
        return done

    def value(self, *argv: str) -> Any:
        done = self.run(*argv)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def machine(self, configuration: Path) -> subprocess.CompletedProcess[str]:
        module = str(NIX / "nixos-module.nix")
        return self.run(
            str(HERE / "machine.nix"), "--arg", "configuration", str(configuration), "--arg", "module", module
        )


@pytest.fixture
def nix(tmp_path: Path) -> Nix:
    return Nix(tmp_path / "nix")


@pytest.mark.parametrize("name", ["shop", "bare", "services"])
def test_a_machine_comes_out_as_recorded(nix: Nix, name: str) -> None:
    done = nix.machine(HERE / f"{name}.nix")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((HERE / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ('statdir = "/x";', "no such option: services.dysnomia-tui.statdir"),
        ("snapshot = 2;", "services.dysnomia-tui.snapshot is no nullOr str"),
        ('components.shop.orders = "relative";', "services.dysnomia-tui.components.shop.orders is no path"),
        ('containers.shop."a-b" = 1;', "the property a-b cannot be a variable"),
        ("containers.shop = [ ];", "services.dysnomia-tui.containers.shop is no attrsOf anything"),
    ],
)
def test_what_makes_no_sense_is_said(nix: Nix, tmp_path: Path, configuration: str, said: str) -> None:
    path = tmp_path / "machine.nix"
    path.write_text(f"{{ services.dysnomia-tui = {{ enable = true; {configuration} }}; }}")
    done = nix.machine(path)
    assert done.returncode != 0
    assert said in done.stderr


def test_not_enabled_it_makes_nothing(nix: Nix, tmp_path: Path) -> None:
    path = tmp_path / "machine.nix"
    path.write_text('{ services.dysnomia-tui.containers.shop.a = "b"; }')
    made = json.loads(nix.machine(path).stdout)
    assert not any(made.values())


def lay_out(files: Mapping[str, Any], root: Path) -> Path:
    """/etc as NixOS makes it of these: links to a folder in the store that nobody writes. Returns it."""
    store, etc = root / "store-etc", root / "etc"
    for name, file in files.items():
        path = store / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(file, str):
            path.write_text(file)
            path.chmod(0o444)
        else:
            path.symlink_to(file["source"])
    for folder, _, _ in os.walk(store, topdown=False):
        Path(folder).chmod(0o555)
    etc.mkdir()
    (etc / "static").symlink_to(store)
    for top in store.iterdir():
        (etc / top.name).mkdir()
        for path in top.iterdir():
            (etc / top.name / path.name).symlink_to(f"../static/{top.name}/{path.name}")
    return etc


def configured(etc: Path, **environ: str) -> Configured:
    """What our program makes of it."""
    return Configured(
        load_settings(
            {
                "HOME": str(etc.parent), "DYSNOMIA_CONTAINERS_PATH": f"{etc}/dysnomia/containers",
                "DYSNOMIA_COMPONENTS_PATH": f"{etc}/dysnomia/components", **environ,
            },
            machine=etc / "dysnomia-tui",
        )
    )  # fmt: skip


def test_what_it_writes_is_read_as_it_was_meant(tmp_path: Path) -> None:
    made = json.loads((HERE / "shop.json").read_text())
    etc = lay_out(made["etc"], tmp_path)
    world = configured(etc)
    shop = world.inventory().container("shop")
    assert dict(shop.properties) == {
        "type": "sqlite-database",
        "sqliteDir": "/srv/shop",
        "odd": "a \"quoted\" $word, a `tick`, a \\ and 'more'",
        "lines": "one\ntwo's",
        "flags": ("a b", '"c"', "$d"),
        "on": "true",
    }
    assert dict(world.inventory().container("postgresql-database").properties)["postgresqlPort"] == "5432"
    keys = sorted(map(str, world.inventory().components))
    assert keys == ["postgresql-database/crm", "postgresql-database/wiki", "shop/orders"]
    assert world.settings.statedir == Path("/var/state/dysnomia-nixos")
    assert (world.settings.compression, world.settings.labels) == ("xz", ("PROD",))
    assert world.settings.component("shop", "orders").policy.daily == 7
    assert tomllib.loads(made["etc"]["dysnomia-tui/config.toml"])["components"]["*/*"] == {
        "retention": {"last": 5, "daily": 7}
    }


def test_bash_reads_it_the_same(tmp_path: Path) -> None:
    etc = lay_out(json.loads((HERE / "shop.json").read_text())["etc"], tmp_path)
    shop = configured(etc).inventory().container("shop")
    words = 'source "$1"; printf "%s\\0" "$odd" "$lines" "$on" "$type" "$sqliteDir" "${flags[@]}"'
    said = subprocess.run(
        ["bash", "-c", words, "bash", str(etc / "dysnomia/containers/shop")], capture_output=True, check=True
    ).stdout.decode()
    properties = shop.properties
    flags = properties["flags"]
    assert said.split("\0")[:-1] == [properties[name] for name in ("odd", "lines", "on", "type", "sqliteDir")] + list(
        flags
    )


THEIRS = {
    "dysnomia/containers/process": "\ntype=process\n",
    "dysnomia/containers/mysql-database":
        'mysqlPort="3306"\nmysqlSocket="/run/mysqld/mysqld.sock"\n\ntype=mysql-database\n',
    "dysnomia/containers/fileset": 'targetDir="$(echo {live})"\n\ntype=fileset\n',
    "dysnomia/properties":
        'hostname="$(echo db1)"\nmem="$(grep \'MemTotal:\' /proc/meminfo | sed -e \'s/kB//\' -e \'s/MemTotal://\' -e'
        ' \'s/ //g\')"\nsupportedTypes=("echo" "fileset" "process" )\nsystem="x86_64-linux"\n',
    "dysnomia/components/fileset/documents": {"source": "{component}"},
}  # fmt: skip
"""What Dysnomia's module writes: arrays end with a space, an empty line stands before the type."""


def test_etc_as_dysnomias_module_writes_it(tmp_path: Path) -> None:
    component = tmp_path / "nix-store" / "33333333333333333333333333333333-documents"
    component.mkdir(parents=True)
    (component / ".dysnomia-fileset").write_text("mkdir documents\n")
    live = tmp_path / "live"
    files = json.loads(json.dumps(THEIRS).replace("{live}", str(live)).replace("{component}", str(component)))
    etc = lay_out(files, tmp_path)
    world = World(
        tmp_path,
        extra={
            "DYSNOMIA_STATEDIR": str(tmp_path / "dysnomia-nixos"),
            "DYSNOMIA_CONTAINERS_PATH": f"{tmp_path}/extra:{etc}/dysnomia/containers",
            "DYSNOMIA_COMPONENTS_PATH": f"{etc}/dysnomia/components",
            "DYSNOMIA_MODULES_PATH": f"{etc}/dysnomia/modules",
        },
    )
    assert world.run("dysnomia-containers", "--query-containers").lines == ["fileset", "mysql-database", "process"]
    assert world.run("dysnomia-containers", "--query-available-components").lines == ["fileset/documents"]
    world.run("dysnomia-containers", "--deploy")
    (live / "documents" / "a").write_text("one\n")
    world.run("dysnomia-containers", "--snapshot")
    (live / "documents" / "a").write_text("two\n")
    world.run("dysnomia", "-o", "restore", "-C", "fileset", "-c", "documents")
    assert (live / "documents" / "a").read_text() == "one\n"
    assert (tmp_path / "dysnomia-nixos/generations/fileset/documents/1").is_symlink()


def test_the_package_is_built_of_what_the_program_says_it_needs(nix: Nix) -> None:
    made = nix.value(str(HERE / "package.nix"), "--arg", "package", str(NIX / "package.nix"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {
        text.split(";")[0].strip().split("=")[0].split(">")[0].split("<")[0]
        for text in project["project"]["dependencies"]
    }
    assert set(made["dependencies"]) == {name.replace(".", "-") for name in names}
    assert made["build-system"] == ["hatchling"]
    assert made["version"] == project["project"]["version"]
    assert made["pname"] == project["project"]["name"]
    assert "install-modules $out" in made["postFixup"]
    assert made["src"] == str(ROOT)
