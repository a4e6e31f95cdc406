"""The keys of the conformance world, and every kind of single change to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from tests.plugins.servers.etcd import EtcdServer, Pairs

NAME = "app"
PREFIX = b"/app/"
SEED: Pairs = {
    **{b"users/%d" % number: b'{"name":"user %d","mail":"u%d@example.org"}' % (number, number) for number in range(40)},
    **{b"labels/%c" % number: b"label" for number in range(97, 117)},
    **{b"log/seed%d" % number: b"" for number in range(3)},
    b"": b"of the prefix itself",
    b"alone": b"in no folder",
    b"m": b"between folders",
    b"zz": b"",
    b"bin/\x00\xff": bytes(range(256)),
    b"bin/text": 'ünï✓😀\n\ttabs and "quotes" \\x41'.encode(),
    b"\\x41": b"looks like one that is no text",
    b"\xff\xfe/deep/er": b"\x00",
    b"deep/a/b/c/d": b"x" * 5000,
}
INITIAL = '{"key":"users/1","value":"anna"}\n{"key":"motd","value":"hello"}\n{"key":"bin/k","value64":"AP8="}\n'


def full(pairs: Mapping[bytes, bytes]) -> Pairs:
    return {PREFIX + key: value for key, value in pairs.items()}


def fill(server: EtcdServer) -> None:
    server.put(full(SEED))


def _some(server: EtcdServer, random: Random, beginning: bytes = b"users/") -> bytes:
    keys = sorted(key for key in server.pairs(PREFIX) if key.startswith(beginning))
    if len(keys) < 2:
        server.put(full({beginning + b"%d" % random.getrandbits(30): b"again" for _ in range(5)}))
        return _some(server, random, beginning)
    return random.choice(keys)


def _put(key: Callable[[EtcdServer, Random], bytes], value: Callable[[Random], bytes]):  # type: ignore[no-untyped-def]
    def change(server: EtcdServer, random: Random) -> str:
        name, content = key(server, random), value(random)
        server.put({PREFIX + name: content})
        return f"{name!r} = {content[:40]!r}"

    return change


def _new(beginning: bytes) -> Callable[[EtcdServer, Random], bytes]:
    return lambda server, random: beginning + b"%d" % random.getrandbits(60)


def _delete(server: EtcdServer, random: Random, beginning: bytes = b"users/") -> str:
    key = _some(server, random, beginning)
    server.delete(PREFIX + key)
    return f"{key!r} is gone"


def _empty(server: EtcdServer, random: Random) -> str:
    key = b"emptied/%d" % random.getrandbits(20)
    server.put({PREFIX + key: b"" if server.pairs(PREFIX).get(key) else b"full"})
    return f"{key!r}"


def _rename(server: EtcdServer, random: Random) -> str:
    key = _some(server, random)
    value = server.pairs(PREFIX)[key]
    server.delete(PREFIX + key)
    server.put({PREFIX + key + b"x": value})
    return f"{key!r} is called {key + b'x'!r}"


def _move(server: EtcdServer, random: Random) -> str:
    """The same bytes, one of them on the other side between key and value."""
    key = b"moved/%d" % random.getrandbits(40)
    server.put({PREFIX + key + b"a": b"b"})
    return f"{key!r}"


def _swap(server: EtcdServer, random: Random) -> str:
    """Two values change places."""
    one, other = b"swapped/1", b"swapped/2"
    pairs = server.pairs(PREFIX)
    old = pairs.get(one, b"1"), pairs.get(other, b"2")
    server.put(full({one: old[1], other: old[0]}))
    return "two values changed places"


CHANGES: Mapping[str, Callable[[EtcdServer, Random], str]] = {
    "a value": _put(_some, lambda random: b"changed %d" % random.getrandbits(60)),
    "a new key": _put(_new(b"users/new"), lambda random: b"new"),
    "a key that goes": _delete,
    "a key in no folder": _put(_new(b"loose"), lambda random: b"1"),
    "a new folder": _put(_new(b"folder"), lambda random: b"1"),
    "a deep key": _put(lambda server, random: b"f%d/a/b" % random.getrandbits(60), lambda random: b"1"),
    "a binary value": _put(lambda server, random: b"bin/\x00\xff", lambda random: random.randbytes(300)),
    "a binary key": _put(lambda server, random: b"bin/" + random.randbytes(30), lambda random: b"1"),
    "a value that is empty": _empty,
    "a key that is renamed": _rename,
    "a byte that is moved": _move,
    "values that change places": _swap,
    "a large value": _put(lambda server, random: b"deep/large", lambda random: random.randbytes(300_000)),
    "a line break": _put(lambda server, random: b"bin/lines", lambda random: b"a\n%d\r\n" % random.getrandbits(60)),
    "the key of the prefix": _put(lambda server, random: b"", lambda random: b"%d" % random.getrandbits(60)),
}
