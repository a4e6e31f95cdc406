"""``dataclass``, ``field`` and ``replace`` of the standard library for records, that cost little until one is made.

Up to 3.12 Python compiles each method of each data class from source by itself when it is imported, and searches the
text of each type for words of its own: near a millisecond a class. A command imports a hundred before it does anything,
and makes instances of a quarter of them. Here all classes share the methods that need no source, ``__init__`` is
compiled when the first instance is made, and what ``fields``, ``replace`` and ``asdict`` look for is made by the
standard library when it is looked for, which is imported then: with what it reads source by it takes longer to import
than all of a short command does. To a type checker they are those of ``dataclasses`` themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:
    import sys
    from operator import attrgetter
    from reprlib import recursive_repr

    _MISSING = object()
    """In place of a default that is not given."""

    class _Field:
        """What is said of a field."""

        __slots__ = ("compare", "default", "factory", "shown")

        def __init__(self, default, factory, shown=True, compare=True):
            self.default, self.factory, self.shown, self.compare = default, factory, shown, compare

    _BARE = _Field(_MISSING, _MISSING)
    """A field of which nothing is said."""

    def field(*, default=_MISSING, default_factory=_MISSING, compare=True, **more):
        """As ``dataclasses.field``; of ``more`` there is ``repr`` alone."""
        assert default is _MISSING or default_factory is _MISSING
        assert more.keys() <= {"repr"}, more
        return _Field(default, default_factory, more.get("repr", True), compare)

    def replace(record, /, **changes):
        """As ``dataclasses.replace``, and of its records too."""
        kind = type(record)
        if "__compared__" not in vars(kind):
            import dataclasses

            return dataclasses.replace(record, **changes)
        for name in kind.__match_args__:
            if name not in changes:
                changes[name] = getattr(record, name)
        return kind(**changes)

    def dataclass(*, frozen=False, slots=False):
        """As ``dataclasses.dataclass``, for classes that inherit from nothing, and whose annotations are fields, each
        of them given by position or name."""

        def made(cls):
            assert cls.__bases__ == (object,), cls
            body = dict(vars(cls))
            types = body.get("__annotations__", ())
            fields = {name: _field(body[name]) if name in body else _BARE for name in types}
            shown = tuple([name for name, one in fields.items() if one.shown])
            added = {
                "__match_args__": tuple(fields),
                "__dataclass_fields__": _Standard("__dataclass_fields__", fields, frozen),
                "__dataclass_params__": _Standard("__dataclass_params__", fields, frozen),
                "__shown__": shown,
                "__compared__": staticmethod(_values([name for name, one in fields.items() if one.compare])),
                "__init__": _first_init(fields, frozen),
            }
            for name, method in _FROZEN if frozen else _CHANGING:
                if body.get(name) is None:  # __hash__ is None, beside an __eq__
                    added[name] = method
            if slots:  # with them all: each that is set on a class that is made costs as much as three in its body
                return _with_slots(cls, body, fields, added)
            for name, one in fields.items():
                _give_default(cls, name, one)
            for name, value in added.items():
                setattr(cls, name, value)
            return cls

        return made

    def _field(default):
        if isinstance(default, _Field):
            return default
        standard = sys.modules.get("dataclasses")
        if standard is None or not isinstance(default, standard.Field):
            return _Field(default, _MISSING)
        assert default.init, default
        assert default.kw_only in (False, standard.MISSING), default
        given = [_MISSING if one is standard.MISSING else one for one in (default.default, default.default_factory)]
        return _Field(*given, default.repr, default.compare)

    def _with_slots(cls, body, fields, added):
        """The class again with slots, which it can only be born with; a default would be in the way of its slot."""
        for name in ("__dict__", "__weakref__", *fields):
            body.pop(name, None)
        body.update(added)
        body["__slots__"] = tuple(fields)
        again = type(cls)(cls.__name__, cls.__bases__, body)
        again.__qualname__ = cls.__qualname__
        return again

    def _give_default(cls, name, one):
        """A class without slots has its defaults as attributes."""
        if one.default is not _MISSING:
            setattr(cls, name, one.default)
        elif name in vars(cls):
            delattr(cls, name)

    class _Standard:
        """What the standard library keeps of a data class, made when it is first asked for."""

        __slots__ = ("fields", "frozen", "name")

        def __init__(self, name, fields, frozen):
            self.name, self.fields, self.frozen = name, fields, frozen

        def __get__(self, instance, owner):
            import dataclasses

            cls = _whose(owner, self.name, self)
            # Types as text are searched for ClassVar and the like, and a class with no text about it gets one from its
            # signature: each half of the whole time.
            given = []
            for name, one in self.fields.items():
                values = {"default": one.default, "default_factory": one.factory}
                values = {key: value for key, value in values.items() if value is not _MISSING}
                made = dataclasses.field(**values, repr=one.shown, compare=one.compare, kw_only=False)
                given.append((name, object, made))
            text = {"__doc__": cls.__doc__ or cls.__name__}
            twin = dataclasses.make_dataclass(
                cls.__name__, given, namespace=text, init=False, repr=False, eq=False, frozen=self.frozen
            )
            for name, type_ in cls.__annotations__.items():
                twin.__dataclass_fields__[name].type = type_
            for name in ("__dataclass_fields__", "__dataclass_params__"):
                setattr(cls, name, getattr(twin, name))
            return getattr(twin, self.name)

    def _whose(kind, name, value):
        """The class of these, a kind and those it inherits from, that has a value by a name."""
        return next(one for one in kind.__mro__ if vars(one).get(name) is value)

    def _first_init(fields, frozen):
        """An ``__init__`` that puts the real one into its place."""

        def init(self, *args, **values):
            cls = _whose(type(self), "__init__", init)
            cls.__init__ = _compiled_init(cls, fields, frozen)
            cls.__init__(self, *args, **values)

        return init

    def _compiled_init(cls, fields, frozen):
        """What the standard library would compile, of one function alone."""
        given, parameters, lines = {"_set": object.__setattr__, "_none": object()}, ["self"], []
        for name, one in fields.items():
            value = name
            if one.default is not _MISSING:
                given[f"_of_{name}"] = one.default
                parameters.append(f"{name}=_of_{name}")
            elif one.factory is not _MISSING:
                given[f"_of_{name}"] = one.factory
                parameters.append(f"{name}=_none")
                value = f"_of_{name}() if {name} is _none else {name}"
            else:
                parameters.append(name)
            lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
        if hasattr(cls, "__post_init__"):
            lines.append("self.__post_init__()")
        exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"]), given)
        init = given["__init__"]
        init.__qualname__ = f"{cls.__qualname__}.__init__"
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
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _delattr(self, name):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        """For copies and pickles, which otherwise set the attributes of a class with slots."""
        return [getattr(self, name) for name in self.__match_args__]

    def _setstate(self, state):
        for name, value in zip(self.__match_args__, state, strict=True):
            object.__setattr__(self, name, value)

    _FROZEN = (
        ("__repr__", _repr), ("__eq__", _eq), ("__hash__", _hash), ("__setattr__", _setattr),
        ("__delattr__", _delattr), ("__getstate__", _getstate), ("__setstate__", _setstate),
    )  # fmt: skip
    _CHANGING = (
        ("__repr__", _repr), ("__eq__", _eq), ("__hash__", None), ("__getstate__", _getstate),
        ("__setstate__", _setstate),
    )  # fmt: skip
