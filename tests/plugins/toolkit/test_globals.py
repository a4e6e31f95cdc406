"""What a stranger writes into a snapshot of globals: nothing of it is run, and what is no fact is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.globals.document import Document, from_rows, parse, parse_row
from dysnomia_plugins.types.mysql.globals import changes as mysql
from dysnomia_plugins.types.mysql.globals.facts import KINDS as MYSQL
from dysnomia_plugins.types.postgresql.globals import changes as postgresql
from dysnomia_plugins.types.postgresql.globals.facts import KINDS as POSTGRESQL

SCRAM = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"
ROLE = ["roles", "app", *["no"] * 7, "-1", None, SCRAM, None]
ACCOUNT = ["accounts", "app", "%", "mysql_native_password", '["*AB"]', '["NONE", "", "", ""]', *"0000", "0", "no", None]
ACCOUNT += ["no", ""]
HOSTILE = "x'; DROP ROLE postgres; --\" ` \\"


def lines(*facts: list[str | None]) -> bytes:
    return b"".join(json.dumps(fact, separators=(",", ":")).encode() + b"\n" for fact in facts)


@pytest.mark.parametrize(
    "content",
    [
        b"CREATE ROLE evil SUPERUSER;\n",
        b"[]\n",
        b"{}\n",
        b"null\n",
        b'["nonsense","x"]\n',
        b"[[" * 100_000 + b"\n",
        lines(ROLE[:-1]),
        lines([*ROLE, None]),
        lines(ROLE, ROLE),
        lines(ROLE) + b"\n",
        lines([*ROLE[:2], "yes; DROP", *ROLE[3:]]),
        lines([*ROLE[:-2], "plain text", None]),
        lines([*ROLE[:9], "1; DROP ROLE x", *ROLE[10:]]),
        lines(["settings", "app", None, "work_mem TO 1; DROP ROLE x; --", "1"]),
        lines(["grants", "database", "x", None, None, "ALL; DROP", "no"]),
        lines(["tablespaces", "x", "app", "relative/path", None, None]),
        lines(["roles", "a\0b", *ROLE[2:]]),
        lines(["roles", "a" * 64, *ROLE[2:]]),
        b"\xff\n",
    ],
)
def test_what_is_no_fact_of_postgresql_is_refused(content: bytes) -> None:
    with pytest.raises(NotSafe) as refused:
        parse(POSTGRESQL, content)
    assert "plain text" not in str(refused.value), "a password is not said"


@pytest.mark.parametrize(
    "fact",
    [
        [*ACCOUNT[:3], "plugin; DROP", *ACCOUNT[4:]],
        [*ACCOUNT[:4], '{"a":1}', *ACCOUNT[5:]],
        [*ACCOUNT[:5], '["EVIL", "", "", ""]', *ACCOUNT[6:]],
        [*ACCOUNT[:6], "1 ACCOUNT LOCK", *ACCOUNT[7:]],
        ["privileges", "server", "", "", "", "app", "%", "SELECT ON *.* TO x; --"],
        ["privileges", "everything", "", "", "", "app", "%", "SELECT"],
    ],
)
def test_what_is_no_fact_of_mariadb_is_refused(fact: list[str | None]) -> None:
    with pytest.raises(NotSafe):
        parse(MYSQL, lines(fact))


def test_names_are_quoted_wherever_they_stand() -> None:
    facts = lines(["roles", HOSTILE, *ROLE[2:-1], HOSTILE], ["settings", HOSTILE, None, "search_path", HOSTILE])
    about = postgresql.Facts("postgres", 150000, frozenset(), frozenset(), frozenset())
    plan = postgresql.Planner(parse(POSTGRESQL, facts), Document(POSTGRESQL), about, ()).plan()
    for statement in (one for change in plan.ordered for one in change.statements):
        quoted = statement.replace("''", "").replace('""', "")
        assert "DROP ROLE" not in "".join(quoted.split("'")[::2]).split('"')[::2]
        assert statement.count("\n") == 0
    assert not any(SCRAM in change.text for change in plan.ordered)
    assert any(SCRAM in one for change in plan.ordered for one in change.statements)


def test_a_password_of_mariadb_is_in_no_word_of_a_plan() -> None:
    wanted, empty = parse(MYSQL, lines(ACCOUNT)), Document(MYSQL)
    about = mysql.Facts(("root", "localhost"), frozenset())
    made = mysql.Planner(wanted, empty, about, ()).plan()
    assert [change.text for change in made.ordered] == ["create account app@%: mysql_native_password, password •••"]
    other = parse(MYSQL, lines([*ACCOUNT[:4], '["*CD"]', *ACCOUNT[5:]]))
    altered = mysql.Planner(wanted, other, about, ()).plan()
    assert [change.text for change in altered.ordered] == ["alter account app@%: password differs"]
    assert "*AB" not in repr(made)
    assert "*AB" not in repr(wanted)


def test_secrets_are_hidden_where_rows_are_shown() -> None:
    assert SCRAM not in str(parse_row(POSTGRESQL, lines(ROLE).rstrip()))
    setting: list[str | None] = ["settings", "app", None, "app.api_key", "hunter2"]
    assert "hunter2" not in str(parse_row(POSTGRESQL, lines(setting).rstrip()))
    assert "*AB" not in str(parse_row(MYSQL, lines(ACCOUNT).rstrip()))


@given(st.dictionaries(st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name), st.text(max_size=20)))
def test_what_is_written_is_read_again(comments: dict[str, str]) -> None:
    comments = {name: comment.replace("\0", "") for name, comment in comments.items() if len(name.encode()) < 64}
    document = from_rows(POSTGRESQL, {"roles": [[name, *ROLE[2:-1], text] for name, text in comments.items()]})
    assert parse(POSTGRESQL, document.encoded()) == document
