"""Frozen records are what the standard library would have made of them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from dysnomia_base.records import dataclass


@dataclass(frozen=True, slots=True)
class Slotted:
    number: int
    name: str = "x"
    more: Mapping[str, int] = dataclasses.field(default_factory=dict)
    hidden: str = dataclasses.field(default="secret", repr=False)
    noted: str = dataclasses.field(default="", compare=False)


@dataclass(frozen=True)
class Nested:
    inner: Slotted
    others: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Own:
    value: int

    def __repr__(self) -> str:
        return "mine"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and abs(self.value - other.value) < 2


@dataclass(frozen=True)
class Bare:
    pass


def standard(kind: type[Any]) -> type[Any]:
    """The same class by the standard library."""
    body = {"__annotations__": kind.__annotations__, "__qualname__": kind.__qualname__, "__module__": __name__}
    defaults = {one.name: dataclasses.field(default=one.default, default_factory=one.default_factory, repr=one.repr,
                                            compare=one.compare)
                for one in dataclasses.fields(kind)}  # fmt: skip
    return dataclasses.dataclass(frozen=True)(type(kind.__name__, (), {**body, **defaults}))


@pytest.mark.parametrize("values", [(1,), (2, "y", {"a": 1}), (1, "x", {}, "h", "n")])
def test_they_show_and_compare_as_those_of_the_standard_library(values: tuple[Any, ...]) -> None:
    theirs = standard(Slotted)
    others: list[tuple[Any, ...]] = [(1,), (1, "x", {}, "secret", "other note"), (1, "x", {}, "other"), (3,)]
    for other in others:
        assert (Slotted(*values) == Slotted(*other)) is (theirs(*values) == theirs(*other))
    assert repr(Slotted(*values)) == repr(theirs(*values))
    assert Slotted(*values) != theirs(*values)
    assert repr(Nested(Slotted(1), (Bare(),))) == repr(standard(Nested)(theirs(1), (Bare(),)))
    assert "secret" not in repr(Slotted(1))


def test_they_are_frozen_and_can_be_keys_copied_and_sent() -> None:
    one = Nested(Slotted(1), ("a",))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.others = ()  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.inner.name
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    plain = Nested(inner=Slotted(1, more=frozenset()), others=(Bare(),))  # type: ignore[arg-type]
    assert {plain: 1}[dataclasses.replace(plain)] == 1
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
    assert dataclasses.asdict(one)["inner"]["name"] == "x"


def test_a_method_that_a_class_has_is_its_own() -> None:
    assert repr(Own(1)) == "mine"
    assert Own(1) == Own(2) != Own(4)
    assert {Own(1), Own(1)} == {Own(1)}


def test_one_that_holds_itself_is_shown_all_the_same() -> None:
    inner: list[Any] = []
    one = Nested(Slotted(1), (inner,))
    inner.append(one)
    assert repr(one).endswith("others=([...],))")


def test_the_standard_library_finds_what_it_would_have_made() -> None:
    def told(kind: type[Any]) -> list[tuple[Any, ...]]:
        return [(one.name, one.type, one.default, one.default_factory, one.init, one.repr, one.compare, one.kw_only)
                for one in dataclasses.fields(kind)]  # fmt: skip

    @dataclass(frozen=True, slots=True)
    class Unused:
        number: int
        name: str = "x"

    assert dataclasses.is_dataclass(Unused)
    assert told(Unused) == told(standard(Unused))
    assert told(Slotted) == told(standard(Slotted))
    assert dataclasses.asdict(Unused(3)) == {"number": 3, "name": "x"}
    match Unused(4):
        case Unused(number, name="x"):
            assert number == 4
    with pytest.raises(TypeError, match=r"Unused\.__init__\(\) missing 1 required positional argument: 'number'"):
        Unused()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'what'"):
        Unused(1, what=2)  # type: ignore[call-arg]
    assert not hasattr(Unused(1), "__dict__")
    assert Slotted(1).more is not Slotted(1).more


def test_records_that_are_no_fields_by_position_are_refused() -> None:
    with pytest.raises(AssertionError):

        @dataclass(frozen=True)
        class Nearer(Own):
            more: int = 0

    with pytest.raises(AssertionError):

        @dataclass(frozen=True)
        class Named:
            more: int = dataclasses.field(default=0, kw_only=True)
