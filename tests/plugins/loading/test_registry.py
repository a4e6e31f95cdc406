"""Types by entry point and on the modules path."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, MetadataPathFinder, entry_points
from pathlib import Path
from typing import ClassVar

import pytest

from dysnomia_plugins.base import Context, Plugin
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.loading.external import ExternalModule
from dysnomia_plugins.loading.missing import DYSNOMIAS, NoSuchType
from dysnomia_plugins.loading.offered import offered
from dysnomia_plugins.loading.registry import GROUP, Registry
from dysnomia_plugins.types.echo import Echo
from dysnomia_tui.cli.tui.install_modules import shim

BUILT_IN = {"echo", "fileset", "postgresql-database", "redis-database", "sqlite-database", "wrapper"}


def module(folder: Path, name: str, mode: int = 0o755, text: str = "#!/bin/sh\n") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def test_every_built_in_type_can_be_had() -> None:
    registry = Registry()
    assert set(registry.types()) >= BUILT_IN
    for name in BUILT_IN:
        plugin = registry.get(name)
        assert plugin.type == name
        assert plugin.title
        assert plugin is registry.get(name)
        assert {"activate", "deactivate"} <= plugin.activities()


def test_listing_imports_no_plugin() -> None:
    code = (
        "import sys\nfrom dysnomia_plugins.loading.registry import Registry\nprint(*Registry().types())\n"
        "assert 'fileset' in Registry()\n"
        "bad = [m for m in sys.modules if m.startswith('dysnomia_plugins.types.')"
        " and '.plugin' in m or m in ('sqlite3', 'psutil')]\nassert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) >= BUILT_IN


class Abstract(Plugin):
    type: ClassVar[str] = "abstract"
    title: ClassVar[str] = "abstract"

    def activate(self, ctx: Context) -> None:
        """Half a plugin."""


NO_PLUGIN = 42


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("dysnomia_plugins.no_such_module:X", "No module named"),
        ("dysnomia_plugins.types.echo:NoSuchName", "has no attribute"),
        (f"{__name__}:NO_PLUGIN", "is not a Plugin class"),
        (f"{__name__}:Abstract", "lacks deactivate"),
    ],
)
def test_a_broken_plugin_is_named_and_spoils_no_other(value: str, said: str) -> None:
    sys.modules.setdefault(__name__, sys.modules[Abstract.__module__])
    points = [EntryPoint("broken", value, GROUP), EntryPoint("echo", "dysnomia_plugins.types.echo:Echo", GROUP)]
    registry = Registry(installed=points)
    assert registry.types() == ("broken", "echo")
    with pytest.raises(PluginError, match=said) as raised:
        registry.get("broken")
    assert "broken" in str(raised.value)
    assert isinstance(registry.get("echo"), Echo)


def test_an_unknown_type_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"no type 'nope'.*echo") as raised:
        Registry((tmp_path,)).get("nope")
    assert str(tmp_path) in raised.value.hint
    assert "nope" not in Registry()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("", "add a line type=… to the file of the container"),
        ("s6-rc-service", "Dysnomia's own module brings it: put libexec/dysnomia/s6-rc-service into a folder of the"),
        ("launchd-daemon", "Dysnomia's own module brings it (it works on macOS alone): put"),
        ("postgres-database", "if postgresql-database is meant, correct type=; else put a module called postgres-data"),
        ("our-own-thing", "put a module called our-own-thing into a folder of the modules path ({path}), or install a"),
        ("plain", "make its module executable: chmod +x {path}/plain"),
        ("/no/such/module", "put an executable module at that path, or name a type"),
    ],
)
def test_what_would_bring_a_type_is_said(tmp_path: Path, name: str, remedy: str) -> None:
    module(tmp_path, "plain", 0o644)
    with pytest.raises(NoSuchType) as raised:
        Registry((tmp_path,)).get(name)
    assert raised.value.remedy.startswith(remedy.format(path=tmp_path))
    assert str(tmp_path) in raised.value.remedy or name in ("", "/no/such/module")


def test_without_a_modules_path_it_is_said_how_to_name_a_folder() -> None:
    with pytest.raises(NoSuchType) as raised:
        Registry().get("s6-rc-service")
    assert raised.value.remedy.endswith("into a folder, and name that in DYSNOMIA_MODULES_PATH")


def test_dysnomias_types_are_ours_or_its_own() -> None:
    assert not set(DYSNOMIAS) & set(Registry().types())


def test_the_modules_path_comes_first_and_the_libexec_of_a_dysnomia_last(tmp_path: Path) -> None:
    """As in Dysnomia: its own modules give way to those on DYSNOMIA_MODULES_PATH."""
    module(tmp_path / "path", "echo")
    module(tmp_path / "libexec", "fileset")
    module(tmp_path / "libexec", "process-of-theirs")
    registry = Registry((tmp_path / "path",), libexec=(tmp_path / "libexec",))
    assert isinstance(registry.get("echo"), ExternalModule)
    assert not isinstance(registry.get("fileset"), ExternalModule)
    assert isinstance(registry.get("process-of-theirs"), ExternalModule)
    assert {"echo", "fileset", "process-of-theirs"} <= set(registry.types())


def test_what_calls_a_type_of_ours_is_no_module(tmp_path: Path) -> None:
    module(tmp_path / "path", "echo", text=shim("echo"))
    registry = Registry((tmp_path / "path",))
    assert isinstance(registry.get("echo"), Echo)


def test_of_modules_the_first_folder_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    module(second, "mine")
    winner = module(first, "mine")
    module(first, "not executable", 0o644)
    (first / "a folder").mkdir()
    registry = Registry((tmp_path / "missing", first, second))
    assert "mine" in registry.types()
    assert "not executable" not in registry.types()
    assert "a folder" not in registry.types()
    mine = registry.get("mine")
    assert isinstance(mine, ExternalModule)
    assert (mine.type, mine.module) == ("mine", winner)
    assert "mine" in registry


@pytest.mark.parametrize("name", ["../mine", "sub/mine", "", ".hidden"])
def test_a_type_is_no_path(tmp_path: Path, name: str) -> None:
    module(tmp_path, "mine")
    module(tmp_path, ".hidden")
    with pytest.raises(PluginError):
        Registry((tmp_path / "sub", tmp_path)).get(name)


def test_an_absolute_path_is_a_module_as_dysnomia_has_it(tmp_path: Path) -> None:
    path = module(tmp_path, "mine")
    plugin = Registry().get(str(path))
    assert isinstance(plugin, ExternalModule)
    assert plugin.module == path
    package = tmp_path / "package" / "libexec" / "dysnomia"
    package.mkdir(parents=True)
    inner = module(package, "one")
    found = Registry().get(str(tmp_path / "package"))
    assert isinstance(found, ExternalModule)
    assert found.module == inner


def test_an_embedding_programs_own_types_come_first() -> None:
    class Mine(Echo):
        type: ClassVar[str] = "echo"

    assert isinstance(Registry(extra={"echo": Mine}).get("echo"), Mine)


def distribution(folder: Path, name: str, points: str, kind: str = "dist-info") -> None:
    """Lay down the metadata of an installed distribution."""
    metadata = folder / f"{name}-1.0.{kind}"
    metadata.mkdir(parents=True)
    (metadata / ("METADATA" if kind == "dist-info" else "PKG-INFO")).write_text(f"Name: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(points)


@pytest.mark.parametrize("value", ["dysnomia_plugins.types.echo:Echo", "dysnomia_plugins.types.echo:Echo [more]"])
@pytest.mark.parametrize("kind", ["dist-info", "egg-info"])
def test_a_type_is_the_one_that_the_library_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, kind: str
) -> None:
    distribution(tmp_path, "theirs", f"[other]\nmine = x:Y\n\n[{GROUP}]\n# mine = z:Z\nmine = {value}\n", kind)
    monkeypatch.syspath_prepend(str(tmp_path))
    (known,) = entry_points(group=GROUP, name="mine")
    found = (offered(GROUP) or {}).get("mine")
    assert found is None if "[" in value else found is not None and found.load() is known.load() is Echo
    assert isinstance(Registry().get("mine"), Echo)
    assert "nobodys" not in (offered(GROUP) or {})


def test_of_two_distributions_with_a_type_the_library_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, value in enumerate(("dysnomia_plugins.types.echo:Echo", "dysnomia_plugins.types.wrapper:Wrapper")):
        distribution(tmp_path / str(number), f"theirs{number}", f"[{GROUP}]\nmine={value}\n")
        monkeypatch.syspath_prepend(str(tmp_path / str(number)))
    assert "mine" not in (offered(GROUP) or {})
    chosen = {point.name: point for point in entry_points(group=GROUP)}["mine"]
    assert type(Registry().get("mine")) is chosen.load()


def test_where_distributions_may_be_elsewhere_the_library_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "theirs", f"[{GROUP}]\nmine = dysnomia_plugins.types.echo:Echo\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "mine" in (offered(GROUP) or {})
    with monkeypatch.context() as more:
        (tmp_path / "archive.zip").write_bytes(b"")
        more.setattr(sys, "path", [*sys.path, str(tmp_path / "archive.zip")])
        assert "mine" not in (offered(GROUP) or {})
    with monkeypatch.context() as more:
        more.setattr(sys, "meta_path", [*sys.meta_path, MetadataPathFinder])
        assert "mine" not in (offered(GROUP) or {})
    (tmp_path / "other.egg").mkdir()
    assert "mine" not in (offered(GROUP) or {})
