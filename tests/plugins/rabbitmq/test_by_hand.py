"""A snapshot by RabbitMQ's own tools, as docs/by-hand.md says, and the other way round: what they wrote, by ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.plugins.rabbitmq.making import Making, fill
from tests.plugins.rabbitmq.site import Site

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("rabbitmq")]
DOCS = Path(__file__).parents[3] / "docs" / "by-hand.md"


def test_rabbitmqctl_imports_a_snapshot(shop: Site, tmp_path: Path) -> None:
    shop.server.clear()
    fill(shop.made)
    with shop.dump().open() as stream:
        (tmp_path / "definitions.json").write_bytes(stream.read())
    whole = shop.made.whole()
    assert whole is not None
    row = next(line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| `rabbitmq-definitions`"))
    line = next(words for words in row.split("`") if words.startswith("python3 -c")).replace(" VHOST ", " again ")
    subprocess.run(["bash", "-c", line], check=True, cwd=tmp_path)
    path = shop.server.home / "all.json"
    path.write_bytes((tmp_path / "all.json").read_bytes())
    shop.server.control("import_definitions", str(path))
    shop.server.control("set_vhost_limits", "-p", "again", json.dumps({"max-connections": 500, "max-queues": 10000}))
    again = Making(shop.server, "again").whole()
    assert again is not None
    for group in (
        "queues",
        "exchanges",
        "bindings",
        "policies",
        "parameters",
        "permissions",
        "topic_permissions",
        "internal",
    ):
        assert again[group] == whole[group], group


def test_an_export_can_be_the_initial_state(shop: Site) -> None:
    """Of a whole server, as ``rabbitmqctl export_definitions`` writes it."""
    shop.made.queue("q", '[{<<"x-max-length">>, signedint, 5}]')
    shop.made.exchange("x", "headers")
    shop.made.bind("x", "k", "q")
    shop.made.policy("p", {"max-length": 10}, "^q")
    shop.made.queue("quorum", '[{<<"x-queue-type">>, longstr, <<"quorum">>}]')
    shop.made.limits({"max-queues": 50})
    shop.made.policy("op", {"max-length": 11}, "^q", operator=True)
    Making(shop.server, "other").make()
    Making(shop.server, "other").queue("not of it")
    folder = shop.component.path / "rabbitmq-definitions"
    folder.mkdir()
    (folder / "shop.json").write_text(shop.server.control("export_definitions", "-q", "-"))
    before = shop.made.whole()
    assert before is not None
    shop.made.delete()
    shop.plugin.activate(shop.context("2"))
    after = shop.made.whole()
    assert after is not None
    assert after == before
