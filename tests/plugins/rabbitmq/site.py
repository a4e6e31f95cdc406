"""One virtual host of the server, its component, and a plugin's surroundings without store or engine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from dysnomia_plugins.base import Finding
from dysnomia_plugins.types.rabbitmq.plugin import RabbitmqDefinitions
from dysnomia_plugins.types.rabbitmq.vhosts import encoded
from tests.plugins.conformance.bare import Bare, component
from tests.plugins.rabbitmq.making import Making
from tests.plugins.servers.common import GUARDED, missing
from tests.plugins.servers.rabbitmq import RabbitServer
from tests.waiting import wait_until


class Site(Bare):
    """A bare component on a server."""

    def __init__(self, folder: Path, server: RabbitServer, vhost: str | bytes = "shop", **properties: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "component"
        path.mkdir(exist_ok=True)
        all_of = {**server.properties, "rabbitmqCopiesDir": str(folder / "copies"), **properties}
        name = encoded(vhost.encode() if isinstance(vhost, str) else vhost)
        assert name is not None
        super().__init__(RabbitmqDefinitions(), folder, component(path, name, **all_of))
        self.server = server
        self.made = Making(server, vhost)

    def plan(self, stored: object, *, replace: bool = True) -> tuple[Finding, ...]:
        return self.plugin.preflight(self.context(), stored, replace=replace).findings  # type: ignore[arg-type]

    def files(self) -> list[str]:
        """What jobs left."""
        copies = Path(str(self.component.properties["rabbitmqCopiesDir"]))
        return sorted(path.name for path in copies.iterdir()) if copies.exists() else []

    # Clients, which are not ours.

    @property
    def url(self) -> str:
        vhost = self.made.vhost if isinstance(self.made.vhost, bytes) else self.made.vhost.encode()
        return f"amqp://guest:guest@127.0.0.1:{self.server.port}/{quote(vhost, safe='')}"

    def publish(self, queue: str, count: int = 1, exchange: str = "") -> None:
        """By the tools of librabbitmq, persistent."""
        _need_tools()
        for number in range(count):
            subprocess.run(
                ["amqp-publish", "--url", self.url, "-e", exchange, "-r", queue, "-p", "-b", f"message {number}"],
                check=True,
            )

    def get(self, queue: str) -> str:
        """The next message; ``""`` where there is none."""
        _need_tools()
        done = subprocess.run(["amqp-get", "--url", self.url, "-q", queue], check=False, capture_output=True, text=True)
        return done.stdout

    @contextmanager
    def holding(self, queue: str, count: int) -> Iterator[None]:
        """A consumer that has been handed messages and does not acknowledge them."""
        _need_tools()
        words = ["amqp-consume", "--url", self.url, "-q", queue, "-p", str(count), "sleep", "60"]
        with subprocess.Popen([*GUARDED, *words], start_new_session=True) as consumer:
            try:
                wait_until(lambda: self.unacknowledged(queue) == count)
                yield
            finally:
                subprocess.run(["kill", "-9", "--", f"-{consumer.pid}"], check=False)

    def unacknowledged(self, queue: str) -> int:
        which = self.made._r("queue", queue)
        return int(self.made.do(f"{{ok, Q}} = rabbit_amqqueue:lookup({which}),"
                                " [{_, N}] = rabbit_amqqueue:info(Q, [messages_unacknowledged]), N"))  # fmt: skip


def _need_tools() -> None:
    if shutil.which("amqp-publish") is None:
        missing("amqp-tools", "apt-get install amqp-tools")


def texts(findings: tuple[Finding, ...]) -> Mapping[str, str]:
    """By their severity."""
    return {finding.severity.value: finding.text for finding in findings}
