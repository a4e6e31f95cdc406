"""One base for every error that is meant for a person, and one clock."""

from __future__ import annotations

from datetime import UTC

import pytest

from dysnomia_base.clock import utc_now
from dysnomia_base.errors import DysnomiaError
from dysnomia_plugins.errors import PluginError
from dysnomia_store.errors import NameRejected, StoreError
from dysnomia_tui.config.errors import SettingsError
from dysnomia_tui.engine.errors import EngineError


@pytest.mark.parametrize("kind", [StoreError, PluginError, EngineError, SettingsError])
def test_each_layers_error_has_words_and_a_way_out(kind: type[DysnomiaError]) -> None:
    error = kind("c/x is locked by alice", "wait for her")
    assert isinstance(error, DysnomiaError)
    assert (error.message, error.hint, str(error)) == (
        "c/x is locked by alice", "wait for her", "c/x is locked by alice: wait for her",
    )  # fmt: skip
    assert str(kind("c/x is gone")) == "c/x is gone"


def test_one_with_words_of_its_own_has_them_too() -> None:
    error = NameRejected("..", "container", "it leads out")
    assert isinstance(error, DysnomiaError)
    assert error.hint == "choose another name"


def test_it_is_utc() -> None:
    assert utc_now().tzinfo is UTC
