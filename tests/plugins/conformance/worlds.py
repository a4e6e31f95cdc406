"""Classes that run a type's other worlds through the cases (``make test-all``), made rather than written again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.plugins.conformance.cases import WorldConformance
from tests.plugins.conformance.world import World


def other_world(
    module: str,
    column: str,
    make: Callable[..., World],
    *,
    server: Sequence[str] = (),
    needs: Sequence[str] = (),
) -> type[WorldConformance]:
    """A class for a name that begins with ``Test``.

    Args:
        module: where that name stands, ``__name__``: the table of types and cases looks for it there.
        column: ``<type>, <world>``, with one of the words that ``WorldConformance`` names.
        make: called with what the fixtures of ``needs`` give, and an empty folder.
        server: the command that tells which version of the server is here.
    """

    class Cases(WorldConformance):
        @pytest.fixture
        def world(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
            with make(*map(request.getfixturevalue, needs), tmp_path / "world") as world:
                yield world

    Cases.column, Cases.server, Cases.__module__ = column, server, module
    pytest.mark.worlds(Cases)
    return Cases
