"""Rows as ejabberd writes them, and single changes to them: by its own functions, or Mnesia's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from tests.plugins.servers.ejabberd import EjabberdServer

PEOPLE = ("ann", "bob", "cleo")


def _binary(text: str) -> str:
    return "<<" + ",".join(map(str, text.encode())) + ">>"


def written(*rows: str) -> str:
    """An expression that writes rows."""
    return (
        "{atomic, ok} = mnesia:transaction(fun() -> " + ", ".join(f"mnesia:write({row})" for row in rows) + ", ok end)"
    )


def user(name: str) -> str:
    return f'{{{_binary(name)}, <<"localhost">>}}'


def offline(name: str, text: str) -> str:
    """A message that waits: a row of a table whose keys are not unique."""
    packet = f'{{xmlel, <<"message">>, [], [{{xmlcdata, {_binary(text)}}}]}}'
    return f"{{offline_msg, {user(name)}, {{1700,0,{len(text)}}}, never, {{jid,<<>>}}, {{jid,<<>>}}, {packet}}}"


def private(name: str, space: str, text: str) -> str:
    return (
        f'{{private_storage, {{{_binary(name)}, <<"localhost">>, {_binary(space)}}}, '
        f'{{xmlel, <<"x">>, [], [{{xmlcdata, {_binary(text)}}}]}}}}'
    )


def roster(name: str, other: str, groups: str = "[]", state: str = "both") -> str:
    who = f'{{{_binary(other)}, <<"localhost">>, <<>>}}'
    return (
        f'{{roster, {{{_binary(name)}, <<"localhost">>, {who}}}, {user(name)}, {who}, {_binary(other.title())}, '
        f"{state}, none, {groups}, <<>>, []}}"
    )


def seed(server: EjabberdServer) -> None:
    """One of everything."""
    for number, name in enumerate(PEOPLE):
        server.do(f'ok = ejabberd_auth:try_register({_binary(name)}, <<"localhost">>, <<"plain-{number}">>)')
    server.do(
        written(
            offline("ann", "hello"), offline("ann", "hello again"), offline("bob", "ü ✓ \"quoted\" \\ \n and\ttabs"),
            private("ann", "notes", "x" * 300), private("bob", "a b", "line\nline"), roster("ann", "bob"),
            roster("bob", "ann", "[<<\"Friends\">>,<<\"it's\">>]"),
            "{vcard, " + user("cleo") + ", {xmlel, <<\"vCard\">>, [], [{xmlcdata, <<0,1,2,255>>}]}}",
            "{muc_room, {<<\"room\">>, <<\"conference.elsewhere\">>}, [{title, <<\"A room\">>}, {max_users, 200}, "
            "{password, <<\"let me in\">>}, {affiliations, [{{<<\"ann\">>, <<\"localhost\">>, <<>>}, {owner, <<>>}}]}, "
            "{share, 0.5}, {list, \"text\"}, {'Odd atom', -3}, {nothing, []}, {map, #{a => 1}}]}",
        )
    )  # fmt: skip


def _some(random: Random) -> str:
    return f"{random.getrandbits(48):x}"


def _register(server: EjabberdServer, random: Random) -> str:
    name = "new" + _some(random)
    server.do(f'ok = ejabberd_auth:try_register({_binary(name)}, <<"localhost">>, <<"secret">>)')
    return f"registered {name}"


def _unregister(server: EjabberdServer, random: Random) -> str:
    name = "gone" + _some(random)
    server.do(f'ok = ejabberd_auth:try_register({_binary(name)}, <<"localhost">>, <<"secret">>)')
    server.do(f'ok = ejabberd_auth:remove_user({_binary(name)}, <<"localhost">>)')
    return _register(server, random) + f", {name} came and went"


def _write(row: Callable[[Random], str]) -> Callable[[EjabberdServer, Random], str]:
    def change(server: EjabberdServer, random: Random) -> str:
        text = row(random)
        server.do(written(text))
        return text

    return change


def _less(server: EjabberdServer, random: Random) -> str:
    """One of two rows with the same key goes."""
    text = offline("ann", "to go " + _some(random))
    server.do(written(offline("ann", "to stay " + _some(random)), text))
    server.do("{atomic, ok} = mnesia:transaction(fun() -> mnesia:delete_object(" + text + ") end)")
    return "one of two went"


def _dirty(server: EjabberdServer, random: Random) -> str:
    server.do(f"mnesia:dirty_write({{last_activity, {user('ann')}, {random.getrandbits(30)}, <<>>}})")
    return "activity"


CHANGES: Mapping[str, Callable[[EjabberdServer, Random], str]] = {
    "registered": _register,
    "unregistered": _unregister,
    "password": lambda s, r: s.do(
        f'ok = ejabberd_auth:set_password(<<"ann">>, <<"localhost">>, <<"p{_some(r)}">>)'
    ).decode(),
    "message": _write(lambda r: offline("ann", "new " + _some(r))),
    "one of two": _less,
    "activity": _dirty,
    "private": _write(lambda r: private("ann", "notes", _some(r) * 50)),
    "space": _write(lambda r: private("bob", "n" + _some(r), "x")),
    "contact": _write(lambda r: roster("ann", "c" + _some(r))),
    "groups": _write(lambda r: roster("ann", "bob", f"[{_binary(_some(r))}]")),
    "no text": _write(
        lambda r: f'{{vcard, {user("cleo")}, {{xmlel, <<"v">>, [], [<<{",".join(map(str, r.randbytes(40)))}>>]}}}}'
    ),
    "umlauts": _write(lambda r: private("cleo", "ü", f"Jörg ✓ \x01 {_some(r)}")),
    "number": _write(lambda r: f'{{muc_registered, {{{user("bob")}, <<"c">>}}, {r.getrandbits(60)}}}'),
    "float": _write(lambda r: f'{{muc_registered, {{{user("ann")}, <<"c">>}}, {r.random()!r}}}'),
    "type": lambda s, r: _type(s, r),
}


def _type(server: EjabberdServer, random: Random) -> str:
    """The same number as an integer and as a float."""
    number = random.getrandbits(30)
    row = "{muc_registered, {" + user("cleo") + ', <<"t">>}, {value}}'
    server.do(written(row.replace("{value}", f"{number}")))
    server.do(written(row.replace("{value}", f"{number}.0")))
    return "an integer became a float"
