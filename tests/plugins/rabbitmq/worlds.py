"""Servers as nobody here would set them up: the other worlds of RabbitMQ's conformance suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component
from tests.plugins.other_user import OtherUser, open_folder
from tests.plugins.rabbitmq.making import term
from tests.plugins.rabbitmq.test_exchange import ARGUMENTS, NAMES, PLAIN
from tests.plugins.rabbitmq.world import RabbitWorld
from tests.plugins.servers.rabbitmq import RabbitServer

ENVIRONMENT = {
    "LC_ALL": "C",
    "LANG": "tr_TR.UTF-8",
    "TZ": "Asia/Kathmandu",
    "RABBITMQ_NODENAME": "wrong@192.0.2.1",
    "RABBITMQ_USE_LONGNAME": "false",
    "RABBITMQ_CONF_ENV_FILE": "/dev/null",
    "RABBITMQ_ERLANG_COOKIE": "wrong",
    "RABBITMQ_CTL_ERL_ARGS": "-setcookie wrong",
    "RABBITMQ_HOME": "/nonexistent",
    "ERL_FLAGS": "-setcookie wrong",
    "ERL_AFLAGS": "-sname wrong",
    "ERL_ZFLAGS": "-kernel net_ticktime 1",
    "ERL_LIBS": "/nonexistent",
    "ERL_INETRC": "/nonexistent",
    "ERL_EPMD_ADDRESS": "192.0.2.1",
    "ERL_EPMD_PORT": "1",
}
"""Of whoever starts a job: none of it may count."""
SETTINGS = """\
disk_free_limit.absolute = 900TB
vm_memory_high_watermark.absolute = 1MB
default_vhost = other
default_user = guest
default_pass = guest
default_user_tags.administrator = true
queue_index_embed_msgs_below = 0
channel_max = 3
heartbeat = 5
password_hashing_module = rabbit_password_hashing_sha512
queue_master_locator = random
"""
"""Both alarms are up all the time, so that all publishers are blocked."""
ADVANCED = """\
[{rabbit, [{collect_statistics, none}, {delegate_count, 1}, {max_message_size, 1000},
  {lazy_queue_explicit_gc_run_operation_threshold, 1}]},
 {kernel, [{net_ticktime, 5}, {prevent_overlapping_partitions, true}]}].
"""

TOLD_ONCE = ARGUMENTS.replace(', {<<"a">>, longstr, <<"2">>}', "")
"""The server's own export, by which states are compared here, says one of two that have the same name."""


def hostile_server() -> RabbitServer:
    """A node with a long name that stands in rabbitmq-env.conf alone."""
    return RabbitServer(
        "rabbitmq_federation", "rabbitmq_shovel", name="odd-name_1", host="127.0.0.1", settings=SETTINGS,
        advanced=ADVANCED, in_file=True,
    )  # fmt: skip


class HostileWorld(RabbitWorld):
    """Alarms, small limits, a long name, another cookie place; and the environment of a caller who means another."""

    vhost = "%%2F ünï%d"

    def __init__(self, server: RabbitServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
        super().__init__(folder, server)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)


class LeastPrivilegeWorld(RabbitWorld):
    """Asked as a user who is neither root nor RabbitMQ's: he has a cookie that is the node's own, and nothing else."""

    def __init__(self, server: RabbitServer, other: OtherUser, folder: Path) -> None:
        super().__init__(folder, server)
        self._home = open_folder()
        home = other.folder(self._home / "home")
        cookie = home / ".erlang.cookie"
        cookie.write_bytes(server.cookie.read_bytes())
        cookie.chmod(0o400)
        other.own(cookie)
        one = self.component
        account = {"rabbitmqUser": other.name, "rabbitmqHome": str(home)}
        self.component = Component(one.key, one.path, {**one.properties, **account})

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._home, ignore_errors=True)


class OtherOwnerWorld(RabbitWorld):
    """The server runs as a user of its own; we are root."""


class WideWorld(RabbitWorld):
    """Every kind of name and argument, and many of each."""

    def seed(self) -> None:
        super().seed()
        made = self.made
        for name in (one for one in NAMES if _is_text(one)):
            made.queue(b"w" + name, TOLD_ONCE if name == b"plain" else PLAIN)
            made.exchange(b"w" + name, "headers", TOLD_ONCE)
            made.bind(b"w" + name, name, b"w" + name, PLAIN)
        vhost = term(made.vhost)
        made.do(f"""
        [begin
            R = rabbit_misc:r({vhost}, queue, list_to_binary("many-" ++ integer_to_list(N))),
            rabbit_amqqueue:declare(R, true, false, [], none, <<"t">>),
            rabbit_binding:add({{binding, rabbit_misc:r({vhost}, exchange, <<"amq.topic">>), <<"k">>, R, []}}, <<"t">>)
        end || N <- lists:seq(1, 300)]""")
        for number in range(50):
            made.policy(f"many {number}", {"queue-mode": "lazy", "max-length": 10**6 + number}, f"^many-{number}$")


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return len(raw) < 255


class UpdatedWorld(RabbitWorld):
    """After much was declared and deleted again, and the server killed."""

    def seed(self) -> None:
        super().seed()
        made = self.made
        for turn in range(3):
            for number in range(30):
                made.exchange(f"turn{number}", ("topic", "fanout", "direct")[turn])
                made.bind(f"turn{number}", str(turn), "q1")
                if turn < 2:
                    made.no_exchange(f"turn{number}")
        made.limits({"max-connections": 3})
        made.limits({"max-connections": 500, "max-queues": 10000})
        self.server.kill()
        self.server.start()
