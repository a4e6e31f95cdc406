"""Links that a server obeys: only made, and only removed, where root alone may write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.links import Link, make_links, put_back, remove
from tests.plugins.other_user import OtherUser, needs_root, other_user


class _Recorder:
    """What a job's journal and progress are told."""

    def __init__(self) -> None:
        self.journal = self.progress = self
        self.told: list[object] = []

    def step(self, name: str, **data: Any) -> None:
        self.told.append((name, data))

    def log(self, text: str) -> None:
        self.told.append(text)


@pytest.fixture(scope="module")
def other() -> Iterator[OtherUser]:
    with other_user() as user:
        yield user


@pytest.fixture
def ctx() -> Context:
    return cast(Context, _Recorder())


def test_a_link_is_made_in_a_folder_of_its_own_and_removed(tmp_path: Path, ctx: Context) -> None:
    link = Link(tmp_path / "conf.d" / "web.conf", tmp_path / "web.conf")
    make_links(ctx, "links", [link])
    assert link.made
    assert link.path.parent.stat().st_mode & 0o777 == 0o755
    remove([link.path])
    assert not os.path.lexists(link.path)


@needs_root
@pytest.mark.parametrize("way", ["a folder of another user's", "through a link of another user's"])
def test_nothing_is_made_or_removed_where_another_user_could_lead_us_elsewhere(
    other: OtherUser, tmp_path: Path, ctx: Context, way: str
) -> None:
    vault = tmp_path / "vault"
    vault.mkdir(mode=0o700)
    (vault / "web.conf").symlink_to(tmp_path / "nowhere")
    theirs = other.folder(tmp_path / "theirs")
    place = theirs / "conf.d"
    if way.startswith("through"):
        other.run("ln", "-s", vault, place)
    link = Link(place / "web.conf", tmp_path / "web.conf")
    attempts: Sequence[Callable[[], object]] = (
        lambda: make_links(ctx, "links", [link]),
        lambda: put_back(link.path, "/elsewhere"),
        lambda: put_back(link.path, ""),
        lambda: remove([link.path]),
    )
    for attempt in attempts:
        with pytest.raises(NotSafe, match="no link was changed"):
            attempt()
    assert cast(Any, ctx).told == []
    assert os.readlink(vault / "web.conf") == str(tmp_path / "nowhere")
    assert vault.stat().st_mode & 0o777 == 0o700
    assert way.startswith("through") or not place.exists()
