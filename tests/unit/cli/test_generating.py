"""What is generated means exactly what was there: read back by the real nix-instantiate and the real dot."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dysnomia_plugins.base import PropertyValue
from dysnomia_store.names import ComponentKey
from dysnomia_tui.cli.containers.generate import dot, nix_expression
from dysnomia_tui.engine.machine.inventory import ConfiguredContainer, Inventory
from tests.plugins.servers.common import missing

HARD = [
    'say "go"', "${hostname}", "$${x}", "$", "$$", "\\", "\\${x}", "a\nb\r\tc", "''", "'", "#", "/* x */", "",
    " two  words ", "ünïcode ✓", "</nix>", "$\\{", "\\n", '"', "${", "}", "a${'b'}c", "\x07\x1b[31m", "--", "@T@",
]  # fmt: skip
NAMES = [
    "plain",
    "with-dash",
    "under_score",
    "with-dash_and",
    "1st",
    "if",
    "or",
    "a.b",
    "two words",
    "$x",
    "ü",
    '"q"',
    "a'b",
]
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
VALUES: st.SearchStrategy[PropertyValue] = TEXTS | st.lists(TEXTS, max_size=4).map(tuple)
Properties = Mapping[str, PropertyValue]


def inventory(containers: Mapping[str, Properties], components: Mapping[str, list[str]] | None = None) -> Inventory:
    return Inventory(
        {name: ConfiguredContainer(name, Path(name), values) for name, values in containers.items()},
        {
            ComponentKey(container, name): Path(name)
            for container, names in (components or {}).items()
            for name in names
        },
    )


def evaluated(folder: Path, expression: str) -> Any:
    """What Nix takes the expression for; nothing outside ``folder`` is touched."""
    program = shutil.which("nix-instantiate")
    if program is None:
        missing("Nix", "apt-get install nix-bin")
    (folder / "etc").mkdir(exist_ok=True)
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8", "NIX_REMOTE": "",
        "NIX_STORE_DIR": str(folder / "store"), "NIX_STATE_DIR": str(folder / "var"),
        "NIX_LOG_DIR": str(folder / "log"), "NIX_CONF_DIR": str(folder / "etc"),
    }  # fmt: skip
    done = subprocess.run(
        [str(program), "--eval", "--strict", "--json", "-"],
        input=expression.encode(), env=environment, cwd=folder, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"{expression}\n{done.stderr.decode()}"
    return json.loads(done.stdout)


def as_json(values: Properties) -> dict[str, Any]:
    return {name: value if isinstance(value, str) else list(value) for name, value in values.items()}


def check(folder: Path, machine: Properties | None, containers: Mapping[str, Properties]) -> None:
    found = evaluated(folder, nix_expression(machine, inventory(containers)))
    expected: dict[str, Any] = {
        "containers": {
            name: as_json({key: value for key, value in values.items() if key != "type"})
            for name, values in containers.items()
        }
    }
    if machine is not None:
        expected["properties"] = as_json(machine)
        if "system" in machine:
            expected["system"] = as_json(machine)["system"]
    assert found == expected


def test_nix_reads_back_what_is_hard_to_write(tmp_path: Path) -> None:
    values: Properties = {f"p{number}": text for number, text in enumerate(HARD)} | {"all": tuple(HARD), "none": ()}
    check(tmp_path, {**values, "system": "x86_64-linux"}, {name: {"type": "jar", **values} for name in NAMES})


def test_nix_reads_back_nothing(tmp_path: Path) -> None:
    check(tmp_path, None, {})
    check(tmp_path, {}, {"empty": {}})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True), VALUES, max_size=12))
def test_nix_reads_back_any_values(tmp_path: Path, values: dict[str, PropertyValue]) -> None:
    check(tmp_path, values, {"jars": values})


def test_dot_has_each_component_once_in_its_own_container() -> None:
    if shutil.which("dot") is None:
        missing("graphviz", "apt-get install graphviz")
    components = {name: [f"{name}-1", "same"] for name in NAMES}
    text = dot(inventory({name: {} for name in NAMES}, components | {"elsewhere": ["lost"]}))
    done = subprocess.run(["dot", "-Tjson"], input=text.encode(), capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    objects = json.loads(done.stdout)["objects"]
    nodes = {one["_gvid"]: one for one in objects if "nodes" not in one and "subgraphs" not in one and "label" in one}
    found = {}
    for one in objects:
        if str(one["name"]).startswith("cluster"):
            assert one["label"] not in found
            found[one["label"]] = sorted(nodes[number]["label"] for number in one.get("nodes", ()))
    assert found == {name: sorted(names) for name, names in components.items()}
    assert len([one for one in objects if not str(one["name"]).startswith("cluster")]) == 2 * len(NAMES)
