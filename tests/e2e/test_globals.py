"""A server's globals by command: planned line by line, restored, compared, undone; no password is in what is said or
written down of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.world import World
from tests.plugins.servers.postgresql import PostgresServer

pytestmark = pytest.mark.server
OF = ("-C", "pg", "-c", "globals")


def test_a_role_is_restored_and_no_password_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    with PostgresServer() as server:
        world.container("pg", **{**server.properties, "type": "postgresql-globals"})
        (tmp_path / "components" / "pg" / "globals").mkdir(parents=True)
        server.sql("CREATE ROLE app LOGIN PASSWORD 'first'; CREATE ROLE other; GRANT other TO app")
        first = server.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
        said = [world.run("dysnomia", "-o", "snapshot", *OF)]
        server.sql("ALTER ROLE app PASSWORD 'second'; DROP ROLE other; CREATE ROLE late")
        second = server.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
        said.append(world.run("dysnomia", "-o", "snapshot", *OF))

        difference = world.run("dysnomia-snapshots", "--diff", "1", "2", "--rows", *OF, status=None)
        plan = world.run("dysnomia", "-o", "restore", *OF, "--generation", "1", "--dry-run")
        for line in ("alter role app: password differs", "create role other", "make app a member of other", "late"):
            assert line in plan.out
        done = world.run("dysnomia", "-o", "restore", *OF, "--generation", "1", "--yes")
        assert server.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'") == first
        job = next(one["id"] for one in world.jobs() if one["kind"] == "restore")
        undone = world.run("dysnomia-tui", "undo", job)
        assert server.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'") == second
        assert server.sql("SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'") == (
            "app late postgres"
        )
        for one in (*said, difference, plan, done, undone):
            assert "SCRAM" not in one.out + one.err
        assert "password" in difference.out or "app" in difference.out
        secret = re.compile(rb"SCRAM-SHA-256\$4096")
        for path in world.state.rglob("*"):
            if path.is_file():
                assert not secret.search(path.read_bytes()), path
            if path.name.startswith("globals.jsonl"):
                assert path.stat().st_mode & 0o077 == 0
