"""What Docker's client is told of a container of the type docker-container, and in which way."""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_plugins.errors import BadProperties
from dysnomia_plugins.types.docker.creation import Creation
from dysnomia_plugins.types.docker.spec import ContainerSpec


@pytest.mark.parametrize("word", ["=never", "#X=never", "a b=never", "PATH=never\udcff", "PATH=never\r"])
def test_a_variable_that_docker_cannot_be_given_is_refused_without_its_value(word: str) -> None:
    spec = ContainerSpec("dysnomia-x", "", "x:1", ("-e", word), 1, stateless=True)
    with pytest.raises(BadProperties) as caught:
        spec.created("l=1")
    assert "never" not in str(caught.value) + caught.value.hint


def created(*parameters: str) -> Creation:
    return ContainerSpec("dysnomia-x", "", "x:1", parameters, 1, stateless=True).created("l=1")


def test_labels_are_in_a_file_that_nobody_else_can_open() -> None:
    creation = created("-l", "a=never 1", "--label=b=never", "-itl", "c.d/e=never=", "-lf=ü", "--label-file", "/own")
    assert creation.labels.decode() == "a=never 1\nb=never\nc.d/e=never=\nf=ü\n"
    assert "never" not in repr(creation)
    assert not creation.readable
    with creation.command() as words:
        assert not any("never" in word for word in words)
        assert words[:6] == ("create", "-it", "--label-file", "/own", "--label", "l=1")
        assert words[6] == "--label-file"
        assert words[8:] == ("--name", "dysnomia-x", "x:1")
        assert Path(words[7]).read_bytes() == creation.labels
    assert not Path(words[7]).exists()


@pytest.mark.parametrize("label", ["a b=1", "#a=1", "a=1\r", f"a={'x' * 70000}", "a=\udcff"])
def test_a_label_that_a_file_cannot_hold_is_a_word_and_named(label: str) -> None:
    creation = created("--label", label)
    assert label in creation.words
    assert creation.readable == (label.partition("=")[0],)


def test_a_label_without_a_value_is_a_word() -> None:
    creation = created("--label", "a", "-l", "b")
    assert creation.words[1:5] == ("--label", "a", "--label", "b")
    assert (creation.labels, creation.readable) == (b"", ())


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--log-opt", "splunk-token=never"), "splunk-token"),
        (("--log-opt=splunk-token=never",), "splunk-token"),
        (("--mount", "type=volume,dst=/x,volume-opt=o=username=u,password=never"), "password"),
        (("--health-cmd", "curl http://u:never@h/"), "--health-cmd"),
        (("--health-cmd=curl http://u:never@h/",), "--health-cmd"),
    ],
)
def test_what_docker_takes_from_no_file_is_named(words: tuple[str, ...], name: str) -> None:
    assert created(*words).readable == (name,)
    assert created("--log-opt", "max-size=5m", "--publish", "1:1").readable == ()
