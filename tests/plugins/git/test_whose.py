"""Whose a repository becomes that is not live: as a snapshot made here says, never as a stranger's does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dysnomia_plugins.base import Place
from dysnomia_plugins.types.git.load import Loader
from dysnomia_plugins.types.git.places import Layout
from dysnomia_plugins.types.git.repository import Access

NOTED = {"uid": 33, "gid": 33, "folder_mode": 0o2770, "file_mode": 0o440}


def taken(noted: dict[str, int], tmp_path: Any, *, made_here: bool) -> Access | None:
    stored: Any = SimpleNamespace(metadata=SimpleNamespace(surroundings={"access": noted}))
    ctx: Any = SimpleNamespace(made_here=made_here, tag="t")
    layout = Layout(str(tmp_path), f"{tmp_path}/new.git")
    loader = Loader(ctx, layout, stored, Place(f"{tmp_path}/.dysnomia-t-beside/repository"))
    return loader._access()  # the decision alone: what is made of it is tried by the suite


def test_a_stranger_does_not_choose_whom_this_machine_gives_it_to(tmp_path: Any) -> None:
    assert taken(NOTED, tmp_path, made_here=True) == Access(**NOTED)
    assert taken(NOTED, tmp_path, made_here=False) is None


@pytest.mark.parametrize(
    "changed",
    [{"uid": 1 << 40}, {"uid": -1}, {"gid": 0xFFFFFFFF}, {"folder_mode": 0o4755}, {"file_mode": -1}, {"uid": "a"}],
)
def test_an_access_that_no_system_can_have_is_none(changed: dict[str, object]) -> None:
    assert Access.read(NOTED | changed) is None
    assert Access.read(NOTED) == Access(**NOTED)
