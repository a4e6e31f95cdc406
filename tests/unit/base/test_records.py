"""Frozen records are what the standard library would have made of them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from dysnomia_base.records import dataclass, field, replace


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


@dataclass(slots=True)
class Changing:
    number: int
    names: list[str] = field(default_factory=list)
    hidden: str = field(default="secret", repr=False)
    noted: str = field(default="", compare=False)


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


def test_one_that_is_not_frozen_changes_and_is_no_key() -> None:
    one = Changing(1)
    assert repr(one) == repr(standard(Changing)(1)) == "Changing(number=1, names=[], noted='')"
    one.number, one.noted = 2, "later"
    assert one == Changing(2) != Changing(2, ["a"])
    assert Changing(1).names is not Changing(1).names
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined]
    assert copy.copy(one) == pickle.loads(pickle.dumps(one)) == one
    assert dataclasses.asdict(one) == {"number": 2, "names": [], "hidden": "secret", "noted": "later"}


def test_replace_is_that_of_the_standard_library() -> None:
    one = Slotted(1, more={"a": 1}, noted="n")
    assert replace(one, name="y") == dataclasses.replace(one, name="y") == Slotted(1, "y", {"a": 1})
    assert replace(one).noted == "n"
    assert replace(Changing(1, ["a"]), number=3) == Changing(3, ["a"])
    with pytest.raises(TypeError, match="unexpected keyword argument 'what'"):
        replace(one, what=1)  # type: ignore[call-arg]

    @dataclasses.dataclass(frozen=True)
    class Theirs:
        number: int
        worked_out: int = dataclasses.field(init=False, default=7)

    assert replace(Theirs(1), number=2) == Theirs(2)


def test_a_short_command_does_not_import_the_standard_librarys() -> None:
    code = "import sys, dysnomia_tui.engine.engine, dysnomia_store.catalog.cache; print('inspect' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
