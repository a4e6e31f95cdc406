"""Web servers for the tests: Apache and nginx, each serving a folder on a port of 127.0.0.1, as another user."""

from __future__ import annotations

import http.client
import shutil
import signal
from pathlib import Path
from typing import ClassVar, Self

from tests.plugins.servers.common import Service, free_port, missing, server_user

NGINX = """
daemon off;
worker_processes 2;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
APACHE = """
ServerName localhost
Listen 127.0.0.1:{port}
DefaultRuntimeDir {home}
PidFile {home}/pid
ErrorLog {home}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
DirectoryIndex index.html
DocumentRoot {root}
<Directory />
    Options FollowSymLinks
    Require all granted
</Directory>
"""
MODULES = "/usr/lib/apache2/modules"


class WebServer(Service):
    """One server. ``root`` is what it serves: a folder of its own home, unless another is given."""

    program: ClassVar[str]
    package: ClassVar[str]
    template: ClassVar[str]

    def __init__(self, root: Path | None = None) -> None:
        if shutil.which(self.program) is None:
            missing(self.program, f"apt-get install {self.package}")
        super().__init__("web.", server_user("www-data"))
        self.root = root or self.home / "srv"
        self.port = free_port()

    @property
    def config(self) -> Path:
        return self.home / "server.conf"

    def words(self) -> list[str | Path]:
        raise NotImplementedError

    @property
    def reload(self) -> tuple[str, ...]:
        """A command that reloads it, as its container has it."""
        return ("kill", f"-{self.reloading.name}", str(self.pid))

    reloading: ClassVar[signal.Signals]

    def start(self) -> Self:
        text = self.template.format(home=self.home, port=self.port, root=self.root, modules=MODULES)
        self.config.write_text(text)
        self.root.mkdir(parents=True, exist_ok=True)
        self._launch(self.words())
        return self

    def _answers(self) -> bool:
        try:
            self.get("/")
        except OSError:
            return False
        return True

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)


class Nginx(WebServer):
    program = "/usr/sbin/nginx"
    package = "nginx-light"
    template = NGINX
    stopping = signal.SIGQUIT
    reloading = signal.SIGHUP

    def words(self) -> list[str | Path]:
        return [self.program, "-c", self.config, "-e", self.home / "error.log"]


class Apache(WebServer):
    program = "/usr/sbin/apache2"
    package = "apache2"
    template = APACHE
    reloading = signal.SIGUSR1

    def words(self) -> list[str | Path]:
        return [self.program, "-f", self.config, "-DFOREGROUND"]
