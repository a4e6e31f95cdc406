"""Property files mean what bash means by them, and run nothing that was not anyone's own already."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dysnomia_plugins.config_files import substitution as expand
from dysnomia_plugins.config_files.properties import parse_properties, read_properties
from dysnomia_plugins.errors import BadProperties


def parse(text: str) -> dict[str, object]:
    return dict(parse_properties(text, "file"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\n", {"a": "1"}),
        ("a=", {"a": ""}),
        ("a=1\r\nb=2\r\n", {"a": "1", "b": "2"}),
        ('b="x y"', {"b": "x y"}),
        ("b='x $HOME `y`'", {"b": "x $HOME `y`"}),
        ('c=("p" "q")', {"c": ("p", "q")}),
        ('c=(\n  "p" # first\n  q\n)\nd=1', {"c": ("p", "q"), "d": "1"}),
        ("c=()", {"c": ()}),
        ("# only a comment", {}),
        ("a=b#c # comment", {"a": "b#c"}),
        (r"a=x\ y", {"a": "x y"}),
        ('a="q\\"q\\\\ \\$x"', {"a": 'q"q\\ $x'}),
        ("a=pre'mid dle'\"post\"", {"a": "premid dlepost"}),
        (r"a=$'tab\there'", {"a": "tab\there"}),
        ("a=one\\\ntwo", {"a": "onetwo"}),
        ("a=1\na=2", {"a": "2"}),
        ("export a=1", {"a": "1"}),
        ("a=1;", {"a": "1"}),
        ("a=host=db port=1"[:9], {"a": "host=db"}),
        ('a="price: 5$"', {"a": "price: 5$"}),
    ],
)
def test_what_is_understood(text: str, expected: dict[str, object]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a=1\nrm -rf /\n", 2, "expected key=value"),
        ("a=1\n\nb=x y\n", 3, "needs quotes"),
        ("a=1; rm x\n", 1, "one key=value a line"),
        ("a=`id`", 1, "not computed here"),
        ('a="`id`"', 1, "not computed here"),
        ("a=$HOME", 1, "not computed here"),
        ('a="${HOME}"', 1, "not computed here"),
        ("a=$((1+1))", 1, "not computed here"),
        ("a=x|y", 1, "needs quotes"),
        ("a=x>y", 1, "needs quotes"),
        ("a=~/x", 1, "not computed here"),
        ('a="open\nb=1', 1, "not closed"),
        ("a='open", 1, "not closed"),
        ("a=(x y", 1, "not closed"),
        ("a=(*)", 1, "needs quotes"),
        ("a=$(id", 1, "not closed"),
        ("a=$(id)", 1, "not computed here"),
        ("=x", 1, "expected key=value"),
        ("\ufefftype=x\n", 1, "byte order mark"),
        ("1a=x", 1, "expected key=value"),
        ("a = 1", 1, "expected key=value"),
        ("a=1\n\x1b[31m=2", 2, "expected key=value"),
    ],
)
def test_what_is_refused_with_file_and_line(text: str, line: int, says: str) -> None:
    with pytest.raises(BadProperties) as caught:
        parse_properties(text, "/etc/x")
    assert caught.value.message.startswith(f"/etc/x, line {line}: ")
    assert says in caught.value.message


@given(st.text())
@example("a=$($(")
@example("a='\n$(\n")
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    said = "file, line "
    try:
        parse(text)
    except BadProperties as error:
        said = error.message
    assert said.startswith("file, line ")


printable = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text("ab '\"\\#\t:=,.-é$", max_size=8), min_size=1, max_size=5))
@example(["'\"", "\\", "# x"])
def test_what_is_read_is_what_bash_reads(words: list[str]) -> None:
    """Whatever our reader accepts, bash gives the same value for."""
    text = "".join(f"v{number}={word}\n" for number, word in enumerate(words))
    try:
        ours = parse(text)
    except BadProperties:
        return
    script = text + "\n" + "".join(f'printf "%s\\0" "$v{number}"\n' for number in range(len(words)))
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
        check=False,
    )
    theirs = done.stdout.decode().split("\0")[:-1]
    assert [ours.get(f"v{number}", "") for number in range(len(words))] == theirs


@given(printable, printable)
def test_quoting_in_single_quotes_is_the_identity(first: str, second: str) -> None:
    quoted = "'" + first.replace("'", "'\\''") + "'"
    assert parse(f"a={quoted}\nb=(x {quoted} '{second.replace(chr(39), '')}')") == {
        "a": first,
        "b": ("x", first, second.replace("'", "")),
    }


# --- $(…) ----------------------------------------------------------------------------------------------------------


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "container"
    path.write_text(text)
    path.chmod(mode)
    tmp_path.chmod(0o700)
    return path


def test_a_substitution_in_ones_own_file_is_run_by_bash(tmp_path: Path) -> None:
    path = written(tmp_path, 'a=$(printf "%s" "x) y" | tr x z)\nb="n: $(echo $((1+2)))"\n')
    assert read_properties(path) == {"a": "z) y", "b": "n: 3"}


def test_it_has_our_environment_less_what_changes_programs_and_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE", "north")
    for name in ("BASH_ENV", "LD_PRELOAD", "PYTHONPATH", "PGHOST", "GIT_DIR", "IFS"):
        monkeypatch.setenv(name, f"{tmp_path}/leaked")
    path = written(tmp_path, "a=$(echo $SITE ${LD_PRELOAD:-none} ${PGHOST:-none} ${GIT_DIR:-none} $(cat) $PWD)\n")
    assert read_properties(path)["a"] == "north none none none /"


@pytest.mark.parametrize(
    "value",
    ["`echo bt`", '"`echo bt` x"', "$HOME/x", "${HOME}/x", '"$HOME/x"', "~/x", "a:~/x", "$((1+2))", "{a,b}", "a{b}c",
     "$base/x", '"${base}x"', '"${base:-a}$((2 * (1 + 2)))"', "${HOME#/}", "pre$(echo `echo in`)post", "x$", '"a$"',
     "${HOME:+'q}'}", "%s", '$"x y"', '$[1+2]', '"$[2*3]"', "~nobody-of-that-name", "$'a\\tb'"],
)  # fmt: skip
def test_a_value_is_computed_as_bash_computes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Each line for itself, as in Dysnomia: the properties above are no variables."""
    monkeypatch.setenv("HOME", str(tmp_path))
    ours = read_properties(written(tmp_path, f"base=/srv\na={value}\n"))["a"]
    theirs = subprocess.run(["bash", "-c", f'a={value}; printf %s "$a"'], capture_output=True, check=True, text=True)
    assert ours == theirs.stdout


@pytest.mark.parametrize(
    "text",
    [
        "a=x zq9hidden",
        "a = zq9hidden",
        "zq9hidden",
        "a=x zq9hidden\n b",
        "password=${x:?zq9hidden}",
        "a=('x' zq9hidden",
    ],
)
def test_no_message_holds_a_value(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadProperties) as caught:
        read_properties(written(tmp_path, text))
    assert "hidden" not in str(caught.value).replace("'zq9hidden' is followed", "")


def test_a_file_that_others_may_write_is_not_read(tmp_path: Path) -> None:
    for mode in (0o602, 0o666):
        with pytest.raises(BadProperties, match=r"container is left out: \S+/container may be written by everyone"):
            read_properties(written(tmp_path, "a=1\n", mode))
    path = written(tmp_path, "a=1\n")
    tmp_path.chmod(0o777)
    with pytest.raises(BadProperties, match=f"container is left out: {tmp_path} may be written by everyone"):
        read_properties(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a=1\n")
    os.chown(path, 12345, 0)
    with pytest.raises(BadProperties, match="belongs to user 12345"):
        read_properties(path)


def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not done within"):
        expand.run("sleep 60 & sleep 60", time_limit=0.2)


def test_one_that_fails_says_its_status(tmp_path: Path) -> None:
    path = written(tmp_path, "a=$(echo no >&2; exit 3)\n")
    with pytest.raises(BadProperties, match=r"line 1: \$\(…\): ended with status 3 \(no\)"):
        read_properties(path)


def test_files_that_are_no_property_files(tmp_path: Path) -> None:
    for content, says in ((b"a=1\n\0", "line 2: a NUL byte"), (b"a" * (1 << 20) + b"a", "larger than")):
        path = tmp_path / "odd"
        path.write_bytes(content)
        with pytest.raises(BadProperties, match=says):
            read_properties(path)
    with pytest.raises(BadProperties, match="not a regular file"):
        read_properties(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadProperties, match="not a regular file"):
        read_properties(tmp_path / "pipe")
    with pytest.raises(BadProperties, match="cannot be read"):
        read_properties(tmp_path / "none")


def test_bytes_that_are_not_utf8_travel(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(b"a='caf\xe9'\n")
    value = read_properties(path)["a"]
    assert isinstance(value, str)
    assert os.fsencode(value) == b"caf\xe9"


@pytest.mark.parametrize(("opening", "closing"), [('$(echo "', '")'), ("${a:-", "}")], ids=["commands", "braces"])
def test_what_is_nested_too_deep_is_refused_by_line(opening: str, closing: str) -> None:
    text = f'type=echo\na="{opening * 3000}{closing * 3000}"\n'
    with pytest.raises(BadProperties, match=r"line 2: .*nested more than 50 deep"):
        parse_properties(text, "the file", lambda _: "")


def test_what_bash_computes_is_in_no_argv_and_in_no_open_file_of_what_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "c"
    file.write_text("shown=\"$(: SECRET; tr '\\0' ' ' </proc/$$/cmdline; ls /proc/self/fd)\"\n")
    shown = str(read_properties(file)["shown"])
    assert "SECRET" not in shown
    assert "bash --noprofile" in shown
    assert shown.split()[-4:] == ["0", "1", "2", "3"], "3 is the folder that ls reads"


def test_a_here_document_ends_where_its_text_does(tmp_path: Path) -> None:
    file = tmp_path / "c"
    file.write_text('a="$(cat <<E\nx $((1+1))\nE\n)"\n')
    assert read_properties(file) == {"a": "x 2"}
