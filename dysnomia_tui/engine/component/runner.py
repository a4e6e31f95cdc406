"""Small parts of running plugin code: a cancel that can be shut out, children that hold the locks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, BinaryIO, Unpack

from dysnomia_plugins.base import CancelToken, Finished, Runner
from dysnomia_plugins.interface.context import Argv

if TYPE_CHECKING:
    from dysnomia_plugins.interface.options import ChildOptions, FollowOptions, ReadOptions, RunOptions, WriteOptions


class CancelShield:
    """A cancel token that can be shut out for a while.

    Give the same one to the job and to its runner: then programs that a clean-up runs are not cancelled either.
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

    def run(self, argv: Argv, **options: Unpack[RunOptions]) -> Finished:
        options["pass_fds"] = self._with_held(options)
        return self._runner.run(argv, **options)

    def reading(self, argv: Argv, **options: Unpack[ReadOptions]) -> AbstractContextManager[BinaryIO]:
        options["pass_fds"] = self._with_held(options)
        return self._runner.reading(argv, **options)

    def writing(self, argv: Argv, **options: Unpack[WriteOptions]) -> AbstractContextManager[BinaryIO]:
        options["pass_fds"] = self._with_held(options)
        return self._runner.writing(argv, **options)

    def follow(self, argv: Argv, **options: Unpack[FollowOptions]) -> None:
        options["pass_fds"] = self._with_held(options)
        self._runner.follow(argv, **options)

    def _with_held(self, options: ChildOptions) -> Sequence[int]:
        return (*options.get("pass_fds", ()), *self._held)
