"""Dumps as ejabberd and Erlang write them, and what is none."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.errors import ProcessFailed, ServerDown
from dysnomia_plugins.types.ejabberd.contents import HIDDEN, parse_row
from dysnomia_plugins.types.ejabberd.node import Server
from dysnomia_plugins.types.ejabberd.terms import BadTerms, cells, definitions, forms, shown, table_of
from dysnomia_store.model import Form, Section
from tests.plugins.ejabberd.world import INITIAL
from tests.plugins.servers.common import missing

RANDOM_TERMS = r"""
ok = io:setopts([{encoding, latin1}]), rand:seed(exsss, 7),
B = fun(N) -> list_to_binary([lists:nth(rand:uniform(13), [$a, $", $\\, $\n, $ , $', 195, 188, $%, $., $}, $\t,
    rand:uniform(256) - 1]) || _ <- lists:seq(1, N)]) end,
T = fun
    T(0) -> case rand:uniform(9) of
        1 -> B(rand:uniform(300)); 2 -> list_to_binary(lists:duplicate(rand:uniform(300), $x)); 3 -> <<>>; 4 -> [];
        5 -> rand:uniform(1 bsl 70) - (1 bsl 69); 6 -> -rand:uniform(); 7 -> list_to_atom(binary_to_list(B(9)));
        8 -> atom; 9 -> binary_to_list(B(rand:uniform(200))) end;
    T(D) -> case rand:uniform(4) of
        1 -> list_to_tuple([T(D - 1) || _ <- lists:seq(1, rand:uniform(5))]);
        2 -> [T(D - 1) || _ <- lists:seq(1, rand:uniform(5))];
        3 -> #{T(0) => T(D - 1)}; 4 -> [T(D - 1) | T(0)] end
end,
[begin R = {tab, T(2), T(3), T(1)}, io:format("~0p.~n~p.~n", [R, R]) end || _ <- lists:seq(1, 1500)], erlang:halt(0).
"""


def lines(text: bytes) -> list[bytes]:
    return [form.line for form in forms(io.BytesIO(text))]


def test_however_erlang_folds_a_term_it_is_one_line() -> None:
    if shutil.which("erl") is None:
        missing("Erlang", "apt-get install erlang-base")
    text = subprocess.run(["erl", "-noinput", "-eval", RANDOM_TERMS], capture_output=True, check=True).stdout
    found = list(forms(io.BytesIO(text)))
    assert len(found) == 3000
    assert b"".join(form.raw for form in found) == text
    for flat, folded in zip(found[::2], found[1::2], strict=True):
        assert flat.line == folded.line
        assert len(list(cells(flat.line))) == 4
        assert lines(flat.line) == [flat.line], "what is written in the one way stays as it is"


def test_a_dump_of_dysnomias_tests() -> None:
    text = INITIAL.encode()
    header, password, activity = lines(text)
    assert {name: columns for name, (columns, _) in definitions(header).items()} == {
        b"passwd": ("us", "password"),
        b"last_activity": ("us", "timestamp", "status"),
    }
    assert table_of(password) == b"passwd"
    assert list(cells(activity))[1:3] == [b'{<<"admin">>,<<"localhost">>}', b"1695740983"]
    assert shown(list(cells(activity))[3]) == "Registered but didn't login"


def test_passwords_are_shown_nowhere() -> None:
    section = Section(
        kind="table", name="passwd", form=Form.ROWS, size=0, digest="", columns=("us", "password"), key=("us",)
    )
    assert parse_row(section, lines(INITIAL.encode())[1]).cells[1] == HIDDEN
    room = b'{muc_room,{<<"r">>,<<"c">>},[{password,<<"let \\"me\\" in">>},{title,<<"t">>}]}.\n'
    rooms = Section(kind="table", name="muc_room", form=Form.ROWS, size=0, digest="", columns=("name_host", "opts"))
    assert "let" not in str(parse_row(rooms, room).cells)
    assert "title" in str(parse_row(rooms, room).cells)


@pytest.mark.parametrize(
    "opts",
    [
        b"[{password,<<112,226,115>>},{title,<<112,226,115>>}]",
        b'[{password,"p\xe2s"},{title,"p\xe2s"}]',
        b"[{password,[112,226,1000]},{title,[112,226,1000]}]",
        b'[{\'password\',<<"p>>s">>},{title,<<"p>>s">>}]',
        b"[{secret,{plain,[<<1,2>>]},<<3>>},{title,{plain,[<<1,2>>]},<<3>>}]",
        b'{xmlel,<<"x">>,[{<<"password">>,<<"pas">>}],[{xmlel,<<"title">>,[],[{<<"pas">>}]}]}',
        b'{xmlel,<<"x">>,[],[{xmlel,<<"password">>,[],[{xmlcdata,<<"pas">>}]},{title,[],[{xmlcdata,<<"pas">>}]}]}',
    ],
)
def test_the_password_of_a_room_is_hidden_however_it_is_written(opts: bytes) -> None:
    """As ``~0p`` writes it, whose binaries are numbers where they are no Latin-1 text; and in invitations."""
    section = Section(kind="table", name="offline_msg", form=Form.ROWS, size=0, digest="", columns=("us", "packet"))
    (line,) = lines(b'{offline_msg,<<"password">>,' + opts + b"}.\n")
    (who, cell) = parse_row(section, line).cells
    assert who == "password"
    assert cell is not None
    hidden, title = cell.split("title")
    assert HIDDEN in hidden
    assert not any(part in hidden for part in ("112", "p\xe2s", "p>>s", 'pas"', "1,2", "<<3>>"))
    assert any(part in title for part in ("112", 's"', "1,2")), "what is no secret is shown"


def test_private_storage_is_hidden() -> None:
    """Bookmarks hold the passwords of rooms, also as text that nobody parsed."""
    section = Section(
        kind="table", name="private_storage", form=Form.ROWS, size=0, digest="", columns=("usns", "xml"), key=("usns",)
    )
    (line,) = lines(b'{private_storage,{<<"ann">>,<<"localhost">>,<<"n">>},{xmlel,<<"x">>,[],[]}}.\n')
    assert parse_row(section, line).cells[1] == HIDDEN


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{passwd,<0.12.0>}.\n", "invalid term"),
        (b"{passwd,#Ref<0.1.2.3>}.\n", "invalid term"),
        (b"{passwd,#Fun<a.1.2>}.\n", "invalid term"),
        (b'{passwd,<<"a\n', "ends within"),
        (b"{passwd, [}.\n", "not a row"),
        (b"{passwd, a}}.\n", "not a row"),
        (b"passwd.\n", "not a row"),
        (b"{a,b}. {c,d}.\n", "two terms"),
        (b'{a,".\n' + b".\n" * 1200, "invalid term|without an end|ends within"),
    ],
)
def test_what_is_no_dump_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(BadTerms, match=why):
        lines(text)


def test_no_message_holds_what_the_dump_holds() -> None:
    with pytest.raises(BadTerms) as caught:
        lines(b'{passwd,<<"hunter2">>,<0.1.2>}.\n')
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@given(st.binary(max_size=200))
def test_any_bytes_are_forms_or_refused(text: bytes) -> None:
    try:
        found = list(forms(io.BytesIO(text)))
    except BadTerms:
        return
    for form in found:
        assert lines(form.line) == [form.line]


@given(st.binary(max_size=60))
def test_a_binary_is_shown_as_its_text(text: bytes) -> None:
    written = "".join(f"\\x{{{byte:x}}}" for byte in text).encode()
    (line,) = lines(b'{a,<<"' + written + b'">>}.\n')
    assert shown(list(cells(line))[1]) in (text.decode("utf-8", "replace"), text.decode("latin-1"))


@pytest.mark.parametrize(
    "printed",
    ["Protocol 'inet_tcp': register/listen error: econnrefused\n", "Protocol 'inet_tcp': register/listen error: \n"],
)
def test_a_machine_without_ejabberd_and_epmd_has_no_server(printed: str) -> None:
    """As after ``systemctl stop ejabberd``: it was said that the node could not do it, with 1 in place of 8."""
    server = Server("ejabberd@localhost", None, "", "/var/lib/ejabberd", "/var/lib/ejabberd", None)
    with pytest.raises(ServerDown, match="is not answering"), server.explained():
        raise ProcessFailed("erl", 1, printed)
