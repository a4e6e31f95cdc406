"""A place on the command line of the app."""

from __future__ import annotations

import pytest

from dysnomia_tui.cli.tui.options import split_place
from tests.e2e.test_commands import world
from tests.e2e.world import World

__all__ = ["world"]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["shop/orders"], "shop/orders"),
        (["--read-only", "shop/orders@14:05"], "shop/orders@14:05"),
        (["--statedir", "/a/b", "shop@-2h", "--json"], "shop@-2h"),
        (["optimise", "shop/orders"], ""),
        (["--statedir", "/a/b", "undo", "a@b"], ""),
        (["status"], ""),
        ([], ""),
    ],
)
def test_the_first_word_is_a_place_where_it_can_be_no_command(words: list[str], place: str) -> None:
    left, found = split_place(words)
    assert found == place
    assert left == [word for word in words if word != place]


@pytest.mark.parametrize(
    ("place", "status", "says"),
    [
        pytest.param("sqlite/orders@9", 5, "has no generation 9", marks=pytest.mark.worlds),
        pytest.param("sqlite/orders@", 2, "names no time", marks=pytest.mark.worlds),
        ("sqlite/orders@25:61", 2, "is not a time of day"),
        pytest.param(
            "sqlite/orders@1971-01-01", 5, "has no good generation before 1971-01-01", marks=pytest.mark.worlds
        ),
        ("sqlite/nothing@-2h", 5, "there is no component sqlite/nothing"),
        ("nowhere@-2h", 5, "there is no group and no container 'nowhere'"),
        pytest.param("a/b/c@2", 2, "holds a slash", marks=pytest.mark.worlds),
        ("\x1b[2J/x@1", 2, "holds a control character"),
    ],
)
def test_what_is_not_there_is_said_before_the_screen_is_taken(world: World, place: str, status: int, says: str) -> None:
    done = world.run("/usr/bin/script", "-qec", f"{world.bin}/dysnomia-tui '{place}'", "/dev/null", status=None)
    assert says in done.out
    assert "\x1b[?1049h" not in done.out
    assert "\x1b[2J" not in done.out
    assert done.status == status
