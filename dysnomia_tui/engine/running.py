"""Small parts of running plugin code: a cancel that can be shut out, children that hold the locks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from dysnomia_plugins.base import CancelToken, Finished, Runner


class Shield:
    """A cancel token that can be shut out for a while.

    Give the same one to the bench and to its runner: then a cleaning-up that runs programs is not cancelled either.
    """

    def __init__(self, token: CancelToken) -> None:
        self._token = token
        self._up = 0

    @property
    def cancelled(self) -> bool:
        return not self._up and self._token.cancelled

    def check(self) -> None:
        if not self._up:
            self._token.check()

    @contextmanager
    def up(self) -> Iterator[None]:
        self._up += 1
        try:
            yield
        finally:
            self._up -= 1


class HoldingRunner:
    """A runner whose children inherit the descriptors in ``held``, as it is when they start."""

    def __init__(self, runner: Runner, held: Sequence[int]) -> None:
        self._runner = runner
        self._held = held

    def run(
        self,
        argv: Sequence[str | bytes],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | BinaryIO | None = None,
        user: str | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Finished:
        return self._runner.run(
            argv, env=env, stdin=stdin, user=user, cwd=cwd, timeout=timeout, pass_fds=(*pass_fds, *self._held)
        )

    def reading(
        self,
        argv: Sequence[str | bytes],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        on_stderr: Any = None,
    ) -> AbstractContextManager[BinaryIO]:
        return self._runner.reading(
            argv, env=env, user=user, cwd=cwd, pass_fds=(*pass_fds, *self._held), on_stderr=on_stderr
        )

    def writing(
        self,
        argv: Sequence[str | bytes],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        on_stdout: Any = None,
    ) -> AbstractContextManager[BinaryIO]:
        return self._runner.writing(
            argv, env=env, user=user, cwd=cwd, pass_fds=(*pass_fds, *self._held), on_stdout=on_stdout
        )
