"""A double of MongoDB as a process of the tests' own (no mongod could be had: see ``mongo_double``)."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient

from tests.plugins.servers.common import Service, free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
USER, PASSWORD = "keeper", "secret of the keeper"
ROOT_USER, ROOT_PASSWORD = "root", "secret of root"
"""Whom the tests are, where there are accounts."""


class MongoDouble(Service):
    """One on a port of 127.0.0.1."""

    def __init__(self, *, replica_set: str = "", auth: bool = False, only: Sequence[str] = ()) -> None:
        """``only``: the databases on which the account of containers has rights."""
        super().__init__("mo.", pwd.getpwuid(os.geteuid()))
        self._only = only
        self.port = free_port()
        self.replica_set = replica_set
        self.auth = auth

    @property
    def properties(self) -> Mapping[str, str]:
        """Of a container on it."""
        account = {"mongoUser": USER, "mongoPassword": PASSWORD} if self.auth else {}
        return {"type": "mongo-database", "mongoPort": str(self.port), **account}

    def start(self) -> Self:
        accounts = {USER: (PASSWORD, self._only), ROOT_USER: (ROOT_PASSWORD, ())} if self.auth else {}
        argv = [sys.executable, "-m", "tests.plugins.servers.mongo_double", str(self.port), self.replica_set]
        self._launch(
            argv, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, settings=json.dumps(accounts).encode()
        )
        return self

    def _answers(self) -> bool:
        with socket.socket() as way:
            return way.connect_ex(("127.0.0.1", self.port)) == 0

    @contextmanager
    def away(self) -> Iterator[None]:
        """It lets nobody in, and keeps what it holds."""
        os.kill(self.pid, signal.SIGUSR1)
        wait_until(lambda: not self._answers())
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGUSR2)
            wait_until(self._answers)

    def client(self) -> MongoClient[dict[str, Any]]:
        """Of the tests' own: to be closed."""
        account: dict[str, Any] = {"username": ROOT_USER, "password": ROOT_PASSWORD} if self.auth else {}
        return MongoClient("127.0.0.1", self.port, directConnection=True, retryWrites=False, **account)
