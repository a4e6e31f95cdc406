"""Modules in Dysnomia's calling convention, and components that bring their own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Context, PrivateStatePlugin, PropertyValue
from dysnomia_plugins.errors import Cancelled, PluginError, ProcessFailed
from dysnomia_plugins.loading.external import ACTIVITIES, external_module, missing_util, module_environment
from dysnomia_plugins.types.echo import Echo
from dysnomia_plugins.types.wrapper import Wrapper
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.driver import Token
from tests.plugins.fileset.tools import logged, make_context

TELLING = """#!/bin/bash
# Says how it was called.
printf '%s\\n' "$0" "$@"
env -0 | sort -z | tr '\\0\\n' '\\n '
"""
STATEFUL = """#!/bin/bash -e
# A module as others write them: it keeps its state in a file and its snapshots by content.
component=$(basename "$2")
container=$(basename "$3")
snapshots="$DYSNOMIA_STATEDIR/snapshots/$container/$component"
generations="$DYSNOMIA_STATEDIR/generations/$container/$component"
case "$1" in
    activate) mkdir -p "$(dirname "$stateFile")"; [ -e "$stateFile" ] || echo initial > "$stateFile" ;;
    deactivate) mv "$DYSNOMIA_STATEDIR/activated/$container/$component" "$DYSNOMIA_STATEDIR/garbage-marker" ;;
    snapshot)
        hash=$(sha256sum < "$stateFile"); hash=${hash:0:64}
        mkdir -p "$snapshots/$hash" "$generations"
        cp "$stateFile" "$snapshots/$hash/state"
        ln -s "../../../snapshots/$container/$component/$hash" "$generations/1" ;;
    restore) cp "$generations/$(ls "$generations" | sort -n | tail -1)/state" "$stateFile" ;;
esac
"""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def component_at(path: Path, **properties: PropertyValue) -> Component:
    path.mkdir(parents=True, exist_ok=True)
    return Component(ComponentKey.of("box", path.name), path, {"type": "mine", **properties})


def context(component: Component, folder: Path) -> Context:
    return make_context(component, folder)


def test_what_a_module_complains_of_is_in_the_log_also_when_it_ends_well(tmp_path: Path) -> None:
    text = "#!/bin/bash\necho done\necho 'the disk is slow' >&2\nprintf 'no newline' >&2\n"
    plugin = external_module(script(tmp_path / "mine", text), "mine")
    ctx = context(component_at(tmp_path / "thing"), tmp_path)
    plugin.activate(ctx)
    assert sorted(logged(ctx)) == ["done", "no newline", "the disk is slow"]


def test_a_module_is_called_as_dysnomia_calls_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "secret")
    plugin = external_module(script(tmp_path / "mine", TELLING), "mine")
    component = component_at(tmp_path / "thing", plain="x y", array=("p", "q r"), empty="", quote="a\"b'c")
    ctx = context(component, tmp_path)
    statedir = tmp_path / "private"
    statedir.mkdir()
    plugin.run(ctx, "snapshot", statedir)
    lines = logged(ctx)
    assert lines[:4] == [str(tmp_path / "mine"), "snapshot", str(tmp_path / "thing"), "box"]
    environment = dict(line.split("=", 1) for line in lines[4:] if "=" in line)
    assert {name: environment[name] for name in ("plain", "array", "empty", "quote")} == {
        "plain": "x y",
        "array": "p q r",
        "empty": "",
        "quote": "a\"b'c",
    }
    assert environment["DYSNOMIA_STATEDIR"] == str(statedir)
    assert environment["PATH"] == ctx.tool_path
    assert "type" not in environment
    assert "LEAKED" not in environment
    assert set(environment) <= {
        "plain", "array", "empty", "quote", "DYSNOMIA_STATEDIR", "PATH", "LC_ALL", "PWD", "SHLVL", "_",
    }  # fmt: skip


def test_a_module_keeps_its_snapshots_in_the_private_folder(tmp_path: Path) -> None:
    plugin = external_module(script(tmp_path / "mine", STATEFUL), "mine")
    state = tmp_path / "data" / "state"
    component = component_at(tmp_path / "thing", stateFile=str(state))
    ctx = context(component, tmp_path)
    plugin.activate(ctx)
    assert state.read_text() == "initial\n"
    private = tmp_path / "private"
    private.mkdir()
    plugin.run(ctx, "snapshot", private)
    state.write_text("changed\n")
    plugin.run(ctx, "restore", private)
    assert state.read_text() == "initial\n"
    assert len(os.listdir(private / "snapshots" / "box" / "thing")) == 1
    plugin.deactivate(ctx)
    assert (ctx.staging / "state" / "garbage-marker").exists(), "the module found its marker"


@pytest.mark.parametrize(
    "text",
    [
        STATEFUL,
        '#!/bin/sh\ncase "$1" in\n  activate|deactivate) ;;\nesac\n',
        '#!/bin/sh\ncase "$1" in activate) ;; "collect-garbage") ;; *) "do_$1" ;; esac\n',
        "#!/bin/sh\nexec something-else\n",
        "\x7fELF",
    ],
)
def test_it_is_called_for_every_activity_whatever_its_text_names(tmp_path: Path, text: str) -> None:
    assert external_module(script(tmp_path / "mine", text), "mine").activities() == set(ACTIVITIES)


@pytest.mark.parametrize("odd", ["mine", ""])
def test_one_that_others_may_write_is_not_run(tmp_path: Path, odd: str) -> None:
    folder = tmp_path / "modules"
    module = script(folder / "mine", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (folder / odd).chmod(0o777)
    ctx = context(component_at(tmp_path / "thing"), tmp_path)
    with pytest.raises(PluginError, match=f"{module} is left out: {folder / odd} may be written by everyone"):
        external_module(module, "mine").activate(ctx)
    assert not (tmp_path / "ran").exists()


def test_nor_one_that_sources_what_others_may_write(tmp_path: Path) -> None:
    util = script(tmp_path / "share" / "dysnomia" / "util", "")
    util.chmod(0o666)
    module = script(tmp_path / "mine", f"#!/bin/bash\nsource {util}\n")
    with pytest.raises(PluginError, match=f"{util} is left out"):
        external_module(module, "mine").activate(context(component_at(tmp_path / "thing"), tmp_path))


def test_nor_a_components_own_wrapper(tmp_path: Path) -> None:
    component = component_at(tmp_path / "thing")
    script(component.path / "bin" / "wrapper", "#!/bin/sh\n").chmod(0o777)
    with pytest.raises(PluginError, match="bin/wrapper may be written by everyone"):
        Wrapper().activate(context(component, tmp_path))


def test_a_module_that_fails_says_so_with_its_own_words(tmp_path: Path) -> None:
    plugin = external_module(script(tmp_path / "mine", "#!/bin/sh\necho out\necho no way >&2\nexit 3\n"), "mine")
    ctx = context(component_at(tmp_path / "thing"), tmp_path)
    with pytest.raises(ProcessFailed, match=r"status 3.*no way"):
        plugin.activate(ctx)
    assert "out" in logged(ctx)


@pytest.mark.parametrize(
    "text",
    [
        "source {util}",
        '. "{util}"',
        "export prefix={prefix}\n  source ${{prefix}}/share/dysnomia/util",
        "prefix={prefix}\nexport datarootdir=$prefix/share\nsource ${{datarootdir}}/dysnomia/util",
    ],
)
def test_a_module_without_the_functions_it_sources_is_not_run(tmp_path: Path, text: str) -> None:
    util = tmp_path / "share" / "dysnomia" / "util"
    text = "#!/bin/bash\n" + text.format(util=util, prefix=tmp_path) + "\necho ran\n"
    module = script(tmp_path / "mine", text)
    plugin = external_module(module, "mine")
    ctx = context(component_at(tmp_path / "thing"), tmp_path)
    with pytest.raises(PluginError, match=f"install-modules {tmp_path}"):
        plugin.activate(ctx)
    assert logged(ctx) == []
    script(util, "")
    plugin.activate(ctx)
    assert logged(ctx) == ["ran"]


@pytest.mark.parametrize("text", ["source $HOME/share/dysnomia/util", "# source /no/share/dysnomia/util", "source x"])
def test_what_cannot_be_told_from_its_text_is_left_to_bash(tmp_path: Path, text: str) -> None:
    assert missing_util(script(tmp_path / "mine", f"#!/bin/bash\n{text}\n")) is None


@pytest.mark.parametrize(
    ("text", "properties", "expected"),
    [
        ('su $user -s /bin/sh -c "xzcat x | psql"', {"user": "nobody", "port": "5432"}, ["nobody"]),
        ("  sudo -u games ls", {"port": "5432"}, ["*"]),
        ("setpriv --reuid=x true", {"a": "nobody", "b": "daemon", "c": "root"}, ["daemon", "nobody"]),
        ("# su is not called\nsummary=1\nsubset x", {"user": "nobody"}, []),
    ],
)
def test_whom_it_becomes(tmp_path: Path, text: str, properties: dict[str, str], expected: list[str]) -> None:
    plugin = external_module(script(tmp_path / "mine", f"#!/bin/bash\n{text}\n"), "mine")
    assert list(plugin.becomes(component_at(tmp_path / "thing", **properties))) == expected


def test_a_module_that_is_gone_is_named(tmp_path: Path) -> None:
    path = script(tmp_path / "mine", TELLING)
    plugin = external_module(path, "mine")
    path.unlink()
    with pytest.raises(PluginError, match="missing or not executable"):
        plugin.activate(context(component_at(tmp_path / "thing"), tmp_path))


def test_odd_output_is_a_line_of_the_log(tmp_path: Path) -> None:
    plugin = external_module(script(tmp_path / "mine", "#!/bin/sh\nprintf 'a\\377b\\r\\n\\nlast'\n"), "mine")
    ctx = context(component_at(tmp_path / "thing"), tmp_path)
    plugin.activate(ctx)
    assert logged(ctx) == ["a\\xffb", "", "last"]


def test_a_cancel_before_it_runs(tmp_path: Path) -> None:
    plugin = external_module(script(tmp_path / "mine", f"#!/bin/sh\ntouch {tmp_path}/ran\n"), "mine")
    ctx = context(component_at(tmp_path / "thing"), tmp_path)
    assert isinstance(ctx.cancel, Token)
    ctx.cancel.cancelled = True
    with pytest.raises(Cancelled):
        plugin.activate(ctx)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["a-b", "1a", "a b", "é", ""])
def test_a_property_that_can_be_no_variable_is_refused(name: str) -> None:
    with pytest.raises(PluginError, match="cannot be handed"):
        module_environment({"type": "x", name: "value"})
    with pytest.raises(PluginError, match="NUL"):
        module_environment({"a": "x\0y"})


def test_a_property_cannot_hide_a_variable_of_the_convention(tmp_path: Path) -> None:
    environment = module_environment({"PATH": "/odd", "DYSNOMIA_STATEDIR": "/odd"}, path="/bin", statedir=tmp_path)
    assert environment == {"PATH": "/bin", "DYSNOMIA_STATEDIR": str(tmp_path)}


def test_the_shell_has_the_properties(tmp_path: Path) -> None:
    plugin = external_module(script(tmp_path / "mine", TELLING), "mine")
    argv, environment = plugin.shell(component_at(tmp_path / "thing", user="alice"))
    assert argv[0] == "bash"
    assert environment["user"] == "alice"
    assert environment["this_component"] == str(tmp_path / "thing")
    assert environment["this_dysnomia_module"] == str(tmp_path / "mine")


def test_a_wrapper_is_called_with_activity_and_container(tmp_path: Path) -> None:
    component = component_at(tmp_path / "app", port="80")
    script(tmp_path / "app" / "bin" / "wrapper", TELLING)
    ctx = context(component, tmp_path)
    plugin = Wrapper()
    assert isinstance(plugin, PrivateStatePlugin)
    plugin.run(ctx, "snapshot", tmp_path)
    assert logged(ctx)[:3] == [str(tmp_path / "app" / "bin" / "wrapper"), "snapshot", "box"]
    assert "port=80" in logged(ctx)
    assert f"DYSNOMIA_STATEDIR={tmp_path}" in logged(ctx)


def test_a_component_without_a_wrapper_is_told_what_to_do(tmp_path: Path) -> None:
    component = component_at(tmp_path / "app")
    with pytest.raises(PluginError, match="put an executable"):
        Wrapper().activate(context(component, tmp_path))
    script(tmp_path / "app" / "bin" / "wrapper", TELLING).chmod(0o644)
    with pytest.raises(PluginError, match="chmod"):
        Wrapper().activate(context(component, tmp_path))


def test_echo_says_names_and_never_values(tmp_path: Path) -> None:
    ctx = context(component_at(tmp_path / "thing", password="hunter2"), tmp_path)
    plugin = Echo()
    for activity in (plugin.activate, plugin.deactivate, plugin.lock, plugin.unlock):
        activity(ctx)
    said = json.dumps(logged(ctx))
    assert f"Echo module: Activate service: {tmp_path}/thing" in said
    assert "property: password" in said
    assert "hunter2" not in said
