"""``dataclass`` of the standard library for frozen records, that costs little until a record is made.

Up to 3.12 Python compiles each method of each data class from source by itself when it is imported: near a millisecond
a class. A command imports ninety before it does anything, and makes instances of a third of them. Here all classes
share the methods that need no source, and ``__init__`` is compiled by the standard library when the first instance is
made. The fields are the standard library's, so ``fields``, ``replace`` and ``asdict`` work on them, and to a type
checker it is ``dataclasses.dataclass`` itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses
    from operator import attrgetter
    from reprlib import recursive_repr

    def dataclass(*, frozen, slots=False):
        """As ``dataclasses.dataclass``, for classes that are frozen and inherit from no other data class."""
        assert frozen

        def made(cls):
            own = {name for name, value in vars(cls).items() if value is not None}  # __hash__ is, beside an __eq__
            cls = dataclasses.dataclass(slots=slots, init=False, repr=False, eq=False)(cls)
            fields = dataclasses.fields(cls)
            cls.__shown__ = tuple(field.name for field in fields if field.repr)
            cls.__compared__ = staticmethod(_values([field.name for field in fields if field.compare]))
            cls.__init__ = _first_init(cls)
            for name, method in _SHARED.items():
                if name not in own:
                    setattr(cls, name, method)
            return cls

        return made

    def _first_init(cls):
        """An ``__init__`` that puts the real one into its place."""

        def init(self, *args, **values):
            # Types as text are searched for ClassVar and the like, and a class with no text about it gets one from its
            # signature: each half of the whole time.
            fields = [(field.name, object, field) for field in dataclasses.fields(cls)]
            after = {"__doc__": cls.__doc__ or cls.__name__}
            if hasattr(cls, "__post_init__"):
                after["__post_init__"] = cls.__post_init__
            twin = dataclasses.make_dataclass(cls.__name__, fields, namespace=after, frozen=True, repr=False, eq=False)
            twin.__init__.__qualname__ = f"{cls.__qualname__}.__init__"
            cls.__init__ = twin.__init__
            twin.__init__(self, *args, **values)

        return init

    def _values(names):
        """What gets the values of these fields of an instance, as a tuple where they are not one."""
        return attrgetter(*names) if names else lambda self: ()

    @recursive_repr("...")
    def _repr(self):
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__shown__)
        return f"{self.__class__.__qualname__}({shown})"

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self is other or self.__compared__(self) == other.__compared__(other)

    def _hash(self):
        return hash(self.__compared__(self))

    def _setattr(self, name, value):
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def _delattr(self, name):
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        """For copies and pickles, which otherwise set the attributes of a class with slots."""
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def _setstate(self, state):
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            object.__setattr__(self, field.name, value)

    _SHARED = {
        "__repr__": _repr, "__eq__": _eq, "__hash__": _hash, "__setattr__": _setattr, "__delattr__": _delattr,
        "__getstate__": _getstate, "__setstate__": _setstate,
    }  # fmt: skip
