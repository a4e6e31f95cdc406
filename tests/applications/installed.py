"""Applications of Debian, unpacked from their packages into a folder of the test's own below /srv, and served by PHP's
own web server."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests import debian
from tests.plugins.servers.common import Service, free_port, missing, server_user


def unpacked(package: str, to: Path) -> Path:
    """The files of a Debian package."""
    if shutil.which("php") is None:
        missing("php", "run .ci/packages")
    subprocess.run(["dpkg-deb", "-x", debian.package(package), to], check=True)
    return to


class PhpServer(Service):
    """PHP's web server on a folder, as another user."""

    def __init__(self, root: Path, *, router: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        super().__init__("php.", server_user("www-data"))
        self.root, self.router, self.env = root, router, env or {}
        self.port = free_port()

    def start(self) -> Self:
        words: list[str | Path] = ["php", "-S", f"127.0.0.1:{self.port}", "-t", self.root]
        environment = {**os.environ, "PHP_CLI_SERVER_WORKERS": "2", **self.env}
        self._launch([*words, *([self.router] if self.router else [])], env=environment)
        return self

    def _answers(self) -> bool:
        try:
            self.get("/no-such-file.txt")
        except OSError:
            return False
        return True

    def get(self, path: str, host: str = "") -> tuple[int, bytes]:
        """Status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={"Host": host} if host else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def own_folder(name: str) -> Path:
    """A folder below /srv, where the table looks."""
    return Path(tempfile.mkdtemp(prefix=f"dysnomia-{name}-", dir="/srv"))


def by_the_server(root: Path, code: str) -> subprocess.CompletedProcess[str]:
    """PHP in an application's folder, as the user of web servers."""
    user = server_user("www-data")
    return subprocess.run(
        ["php", "-r", code], cwd=root, capture_output=True, text=True, check=False,
        user=user.pw_uid, group=user.pw_gid, extra_groups=[], env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
