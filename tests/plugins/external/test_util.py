"""The functions that modules source: what Dysnomia 0.10.2's give, recorded there, is what ours give."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from dysnomia_store.content.dysnomia_checksum import checksum
from dysnomia_tui.cli.tui.install_modules import UTIL

FUNCTIONS = {
    "attemptSeveralTimes", "checkComponentsPath", "checkContainersPath", "checkStateDir", "componentMarkedAsGarbage",
    "composeActivatedPath", "composeChecksumPath", "composeGarbagePath", "composeGenerationsPath",
    "composeSnapshotsPath", "composeUtilityVariables", "computeOutputHash", "createGenerationSymlink",
    "determineComponentName", "determineContainerName", "determineLastSnapshot", "markComponentAsActive",
    "markComponentAsGarbage", "serializeDirectory", "unmarkComponentAsActive", "unmarkComponentAsGarbage",
    "waitForAnyFileType", "waitForDirectory", "waitForFile", "waitForPort", "waitForSocket",
}  # fmt: skip
"""Every function of Dysnomia's own."""


class Module:
    """A bash module's text after ``source …/util`` and ``composeUtilityVariables``, run on a state directory."""

    def __init__(self, root: Path) -> None:
        self.state = root / "state"

    def run(
        self,
        text: str,
        *args: str,
        status: int = 0,
        component: str = "/etc/dysnomia/components/box/thing",
        container: str = "box",
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """What it prints. Fails where it ends with another status."""
        script = f'source "{UTIL}"\ncomposeUtilityVariables /libexec/mine "{component}" "{container}"\n{text}\n'
        done = subprocess.run(
            ["bash", "-c", script, "module", *args],
            env={"PATH": os.defpath, "DYSNOMIA_STATEDIR": str(self.state), **(environment or {})},
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        self.said = done.stderr
        return done.stdout

    def snapshot(self, snapshot_id: str, **files: str) -> None:
        folder = self.state / "snapshots/box/thing" / snapshot_id
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        self.run(f"createGenerationSymlink {snapshot_id}")

    def links(self) -> dict[str, str]:
        folder = self.state / "generations/box/thing"
        return {path.name: os.readlink(path) for path in sorted(folder.iterdir())}


@pytest.fixture
def module(tmp_path: Path) -> Module:
    return Module(tmp_path)


def test_all_functions_are_there(module: Module) -> None:
    defined = {line.split()[-1] for line in module.run("declare -F").splitlines()}
    assert defined >= FUNCTIONS
    assert all(name.startswith("_dysnomia") for name in defined - FUNCTIONS), "nothing else gets in a module's way"


HASH = "0" * 32 + "-"


@pytest.mark.parametrize(
    ("component", "container", "environment", "expected"),
    [
        ("/a/box/thing", "box", {}, "mine thing box"),
        ("/a/b/thing", "", {}, "mine thing mine"),
        (f"/nix/store/{HASH}thing", f"/nix/store/{HASH}box", {}, "mine thing box"),
        (f"/a/{HASH}thing", f"/a/{HASH}box", {}, f"mine {HASH}thing {HASH}box"),
        (f"/s/{HASH}thing", "/etc/dysnomia/containers/box", {"NIX_STORE_DIR": "/s"}, "mine thing box"),
        (f"/nix/store/{HASH}thing", "box", {"NIX_STORE_DIR": "/s"}, f"mine {HASH}thing box"),
        ("thing", "box", {}, "mine thing box"),
    ],
)
def test_names(module: Module, component: str, container: str, environment: dict[str, str], expected: str) -> None:
    words = 'echo "$typeIdentifier $componentName $containerName"'
    said = module.run(words, component=component, container=container, environment=environment)
    assert said == expected + "\n"


def test_paths(module: Module) -> None:
    names = ("Snapshots", "Generations", "Checksum", "Garbage", "Activated")
    said = module.run("\n".join(f"compose{name}Path" for name in names)).splitlines()
    folders = ("snapshots", "generations", "checksums", "garbage", "activated")
    assert said == [f"{module.state}/{folder}/box/thing" for folder in folders]


def test_where_things_are_unless_the_environment_says_so(module: Module) -> None:
    words = (
        "checkContainersPath; checkComponentsPath\n"
        'echo "$DYSNOMIA_CONTAINERS_PATH $DYSNOMIA_COMPONENTS_PATH $DYSNOMIA_STATEDIR"'
    )
    root = "/var/state/dysnomia" if os.getuid() == 0 else "/h/.dysnomia"
    said = module.run(words, environment={"DYSNOMIA_STATEDIR": "", "HOME": "/h"})
    assert said == f"/etc/dysnomia/containers /etc/dysnomia/components {root}\n"
    given = {"DYSNOMIA_CONTAINERS_PATH": "/c", "DYSNOMIA_COMPONENTS_PATH": "/d", "DYSNOMIA_STATEDIR": "/s"}
    assert module.run(words, environment=given) == "/c /d /s\n"


def test_a_module_ends_at_the_first_command_that_fails(module: Module) -> None:
    assert module.run("false\necho not here", status=1) == ""
    assert module.run("false | true\necho not here", status=1) == ""


def test_markers(module: Module) -> None:
    active, garbage = module.state / "activated/box/thing", module.state / "garbage/box/thing"
    module.run("markComponentAsGarbage", status=1)
    module.run("markComponentAsActive")
    module.run("markComponentAsActive")
    assert (active.exists(), garbage.exists()) == (True, False)
    assert module.run("if componentMarkedAsGarbage; then echo yes; else echo no; fi") == "no\n"
    module.run("markComponentAsGarbage")
    module.run("markComponentAsGarbage")
    assert (active.exists(), garbage.exists()) == (False, True)
    assert module.run("if componentMarkedAsGarbage; then echo yes; else echo no; fi") == "yes\n"
    module.run("markComponentAsActive")
    assert (active.exists(), garbage.exists()) == (True, False)
    module.run("unmarkComponentAsActive; unmarkComponentAsActive")
    assert not active.exists()
    module.run("markComponentAsActive; markComponentAsGarbage; unmarkComponentAsGarbage; unmarkComponentAsGarbage")
    assert not garbage.exists()


def test_generations_count_up_and_an_unchanged_one_is_not_linked_again(module: Module) -> None:
    assert module.run("determineLastSnapshot") == ""
    module.snapshot("one", dump="1")
    module.run("createGenerationSymlink one")
    module.snapshot("two", dump="2")
    module.run("createGenerationSymlink one")
    target = "../../../snapshots/box/thing/"
    assert module.links() == {"1": target + "one", "2": target + "two", "3": target + "one"}
    assert module.run("determineLastSnapshot") == f"{module.state}/snapshots/box/thing/one\n"


def test_numbers_are_in_order_as_numbers(module: Module) -> None:
    links = module.state / "generations/box/thing"
    links.mkdir(parents=True)
    for number in (9, 10):
        (links / str(number)).symlink_to(f"../../../snapshots/box/thing/s{number}")
    assert module.run("determineLastSnapshot") == f"{module.state}/snapshots/box/thing/s10\n"
    module.snapshot("new", dump="x")
    assert "11" in module.links()


def test_the_checksum_is_dysnomias(module: Module) -> None:
    module.snapshot("one", a="alpha", b="beta", c="gamma")
    folder = module.state / "snapshots/box/thing/one"
    assert (module.state / "checksums/box/thing/one").read_text() == checksum(folder)
    single = module.state / "snapshots/box/thing/two"
    module.snapshot("two", dump="only")
    recorded = "sha256:" + hashlib.sha256(b".\n./dump\n\nonly").hexdigest()
    assert module.run(f'computeOutputHash "{single}"') == recorded
    assert module.run(f'computeOutputHash "{single}/dump"') == "sha256:" + hashlib.sha256(b"only").hexdigest()


@pytest.mark.parametrize(("function", "kind"), [("waitForFile", "a file"), ("waitForDirectory", "a directory")])
def test_waiting_for_what_is_there(module: Module, tmp_path: Path, function: str, kind: str) -> None:
    (tmp_path / "a file").write_text("")
    (tmp_path / "a directory").mkdir()
    assert module.run(f'{function} "{tmp_path}/{kind}" 2; echo went on') == "went on\n"
    assert module.said == ""
    other = "a directory" if kind == "a file" else "a file"
    assert module.run(f'{function} "{tmp_path}/{other}" 2; echo went on') == "went on\n", "another kind is only said"
    assert f"should be {kind}" in module.said


def test_waiting_in_vain_ends_the_module(module: Module, tmp_path: Path) -> None:
    assert module.run(f"waitForFile {tmp_path}/never 1; echo not here", status=1) == ""
    assert "did not appear within 1 seconds" in module.said
    assert module.run("waitForPort 1 1; echo not here", status=1) == ""
    assert "Nothing listened on port 1" in module.said


def test_what_comes_meanwhile_is_waited_for(module: Module, tmp_path: Path) -> None:
    (tmp_path / "count").write_text("")
    # A sleep of the test's own: the file comes during the first one, whatever the clock does.
    words = f'sleep() {{ touch "{tmp_path}/late"; }}\nwaitForFile "{tmp_path}/late" 5; echo went on'
    assert module.run(words) == "went on\n"
    assert module.said.count("Waiting for") == 1


def test_sockets_and_ports(module: Module, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as port:
        unix.bind(os.fspath(tmp_path / "s"))
        assert module.run(f"waitForSocket {tmp_path}/s 2; waitForPort {port.getsockname()[1]} 2; echo ok") == "ok\n"
    assert module.said == ""


@pytest.mark.parametrize(
    ("works_at", "tries", "ran", "status"), [(1, 3, 1, 0), (2, 3, 2, 0), (3, 3, 2, 1), (9, 5, 4, 1)]
)
def test_attempts(module: Module, tmp_path: Path, works_at: int, tries: int, ran: int, status: int) -> None:
    log = tmp_path / "log"
    words = (
        "sleep() { :; }\n"
        f'flaky() {{ echo "$1" >> "{log}"; [ "$(wc -l < "{log}")" -ge {works_at} ]; }}\n'
        f'attemptSeveralTimes "flaky word" {tries}'
    )
    module.run(words, status=status)
    assert log.read_text() == "word\n" * ran
