"""What the four commands share: their parser, their errors and exit codes, and the way to the engine.

Nothing here imports Textual, and the engine only when it is used: a query of the store must answer at once.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import io
import itertools
import os
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dysnomia_base.exit_codes import of_os_error
from dysnomia_base.limits import at_file, reason
from dysnomia_tui.cli.shared.getopt import as_getopt
from dysnomia_tui.cli.shared.output import OUTPUT, say, write_json
from dysnomia_tui.engine.errors import EngineError, Exit

if TYPE_CHECKING:
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.engine import Engine

EXITS = """\
exit codes:
  0 done            1 failed          2 wrong usage or configuration
  3 done in part    4 locked or busy (--no-wait)
  5 not found       6 refused (read-only, no permission, stale plan, not confirmed)
  7 corrupt         8 a server is down, or a tool is missing
  9 no space left  10 cancelled     130 interrupted
"""


def _columns() -> int:
    """How wide a help is, as ``argparse`` has it. It asks anew for each argument that is added, by a module that takes
    as long to import as all components of a store to look at."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80 if sys.__stdout__ else 80
    except (OSError, ValueError):  # no terminal, or closed
        return 80


class Usage(EngineError):
    """The command line is invalid."""

    exit = Exit.USAGE


NO_VALUE = "its value is empty: give one, or leave the option out"


def path_option(text: str) -> Path:
    """The path that an option names. Raises ArgumentTypeError for none, which ``Path`` takes for the current folder."""
    if not text:
        raise argparse.ArgumentTypeError(NO_VALUE)
    return Path(text)


class Given(argparse.Action):
    """An option of ours whose value must not be empty: that is a script's variable that is not set, and no reason to
    do what is done without the option (``--as "$NAME"`` would replace what is live)."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        if not values:
            raise argparse.ArgumentError(self, NO_VALUE)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line: it raises Usage."""

    def __init__(self, prog: str, description: str, *, epilog: str = EXITS, theirs: Collection[str] = ()) -> None:
        """``theirs``: the long options that the command has in Dysnomia."""
        self.theirs = theirs
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=_columns() - 2),
            allow_abbrev=False,
        )

    def add_action(self, name: str, text: str) -> None:
        """Add an option that says what the command does: ``action`` is its name without the dashes."""
        self.add_argument(name, dest="action", action="store_const", const=name[2:], help=text)

    def read(self) -> argparse.Namespace:
        """Parse this process's command line as getopt does."""
        args = self.parse_args(as_getopt(self, sys.argv[1:], self.theirs))
        pass_over(
            self.prog, getattr(args, "stray", ()), getattr(args, "action", None) or getattr(args, "operation", "")
        )
        return args

    def error(self, message: str) -> NoReturn:
        """Raises Usage, which becomes exit code 2 and one line."""
        raise Usage(f"{message} (see {self.prog} --help)")


class _Version(argparse.Action):
    """``--version``: reads the distribution's metadata only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        sys.stdout.write(f"{parser.prog} (dysnomia-tui {version()})\n")
        parser.exit(0)


def version() -> str:
    """The version of the distribution that is installed."""
    from importlib.metadata import version as installed

    return installed("dysnomia-tui")


def add_general(parser: argparse.ArgumentParser) -> None:
    """The options that every command has."""
    parser.add_argument("--json", action="store_true", help="write the result as one JSON document")
    parser.add_argument(
        "--statedir",
        type=path_option,
        metavar="DIR",
        help="the snapshot store (default: DYSNOMIA_STATEDIR or Dysnomia's own)",
    )
    add_version(parser)


def add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-v", "--version", action=_Version, help="show the version")


LOSING = ("restore", "put-back", "collect-garbage", "gc")
"""What replaces or deletes, by the names of actions and operations."""


def pass_over(prog: str, words: Sequence[str], action: str | None) -> None:
    """Operands that mean nothing are ignored, as Dysnomia ignores them, and said.

    Raises Usage where what is done takes something away: who writes ``--restore orders`` means less than all."""
    for word in words:
        if action in LOSING:
            hint = f"what it is done to is said by options: see {prog} --help"
            raise Usage(f"unexpected argument {word!r}: {action} would pass over it", hint)
        say(f"{prog}: ignoring unexpected argument {word!r}")


def add_stray(parser: argparse.ArgumentParser) -> None:
    """Operands that mean nothing."""
    parser.add_argument("stray", nargs="*", help=argparse.SUPPRESS)


def add_change(parser: argparse.ArgumentParser) -> None:
    """The options of every command that changes something."""
    parser.add_argument("--reason", default="", metavar="TEXT", help="why: kept with the generation and in the audit")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")
    parser.add_argument(
        "--no-wait", action="store_true", help="do not queue behind another job on the component: exit with 4"
    )


def add_yes_untrusted(parser: argparse.ArgumentParser) -> None:
    """The option of commands that restore."""
    parser.add_argument(
        "--yes-untrusted", action="store_true", help="restore: even what is not trusted and was found to be dangerous"
    )


def load(statedir: Path | None = None) -> Settings:
    """The settings of this machine and user. Raises ConfigError naming file and line."""
    from dysnomia_tui.config import load_settings

    environ = dict(os.environ)
    if statedir is not None:
        environ["DYSNOMIA_STATEDIR"] = str(statedir.absolute())
    if environ.get("DYSNOMIA_TUI_DEMO"):  # on a machine of the demo: nothing of the real one counts
        from dysnomia_tui.demo.place import settings as demo_settings

        return demo_settings(Path(environ["DYSNOMIA_TUI_DEMO"]), environ)
    settings = load_settings(environ)
    for text in settings.left_out:
        say(f"warning: {text}")
    return settings


def require_folder(statedir: Path) -> None:
    """Raises Usage where something else than a store is; it need not be there yet."""
    if statedir.exists() and not statedir.is_dir():
        raise Usage(f"{statedir} is not a folder", "the store is a folder: see --statedir and DYSNOMIA_STATEDIR")


def open_engine(settings: Settings, *, read_only: bool = False, dry_run: bool = False) -> Engine:
    """The engine on these settings. A dry run asks servers what they hold, and keeps nothing of it."""
    from dysnomia_tui.engine.engine import Engine

    engine = Engine(settings, read_only=read_only, fork_workers=True, keeps_looks=not dry_run)
    for text in engine.left_out():
        say(f"warning: {text}")
    return engine


def exit_of(error: BaseException) -> Exit:
    """The exit code that tells a script what kind of failure this is."""
    if isinstance(error, EngineError):
        return error.exit
    from dysnomia_tui.config.errors import SettingsError

    if isinstance(error, SettingsError):
        return Exit.USAGE
    if isinstance(error, OSError):
        return Exit(of_os_error(error))
    from dysnomia_tui.engine import STORE_EXITS

    return next((code for kind, code in STORE_EXITS if isinstance(error, kind)), Exit.FAILED)


def wants_json(argv: Sequence[str]) -> bool:
    """Whether ``--json`` is among the options, also where the rest of the command line is invalid."""
    options = itertools.takewhile(lambda word: word != "--", argv)
    return "--json" in options


def run(prog: str, body: Callable[[], int], *, as_json: bool = False) -> int:
    """Run a command's body: whatever it fails at becomes one line and an exit code, never a traceback.

    ``as_json``: and an object with both on standard output, for who reads nothing else.
    """
    from dysnomia_base.environment import forget_foreign_folders
    from dysnomia_store.errors import StoreError
    from dysnomia_tui.config.errors import SettingsError

    forget_foreign_folders(os.environ)
    atexit.register(gc.freeze)  # what there is then goes with the process, and need not be looked through for cycles

    def failed(code: Exit, text: str) -> int:
        say(f"{prog}: {text}")
        if as_json:
            try:
                write_error(code, text)
            except OSError:
                _drop_output()
        return int(code)

    open_streams()
    hear_signals()
    try:
        try:
            status = body()
        except SystemExit as done:  # --help and --version: what they wrote may not be out yet
            status = done.code if isinstance(done.code, int) else 0
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()  # whoever read us has enough
        return int(Exit.FAILED)
    except KeyboardInterrupt:
        return failed(Exit.INTERRUPTED, "interrupted")
    except (EngineError, StoreError, SettingsError) as error:
        as_json = _flushed() and as_json
        return failed(exit_of(error), str(error))
    except MemoryError:
        as_json = _flushed() and as_json
        return failed(Exit.FAILED, "more memory is needed than is free, or than this process may have (ulimit -v)")
    except OSError as error:
        where = at_file(error)
        if not _flushed() or error.filename == OUTPUT:
            where = where or f"{OUTPUT}: "
            as_json = False
        return failed(exit_of(error), f"{where}{reason(error)}")
    return int(status)


def open_streams() -> None:
    """Put the null device where descriptor 0, 1 or 2 is closed, before anything else gets that number.

    A job's lock or a socket on 0 would be closed or replaced by whatever sets up the streams of a child. Standard
    output is opened for reading: what is written to it fails, as it does on a closed one.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest free number: this one
    # Python's own are None where the descriptor was closed when it started.
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (for as long as the process lives)
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Descriptor(1)), "utf-8", "surrogateescape")
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def hear_signals() -> None:
    """Undo what whoever started us did by accident with signals that we need.

    Who ignores SIGCHLD is never told how a child ended: a dump that fails would look like one that is whole. Who blocks
    SIGTERM or SIGINT cannot be stopped, and no more can the children, which inherit it. What is ignored on purpose
    (SIGHUP by nohup, SIGINT in a script's background) stays ignored.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class _Descriptor(io.RawIOBase):
    """A descriptor for writing, whatever it was opened for."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return os.write(self._number, data)


def _flushed() -> bool:
    """Whether standard output took what was written to it; what it does not take is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
        return False
    return True


def _drop_output() -> None:
    """Let what is still buffered go nowhere: Python would complain once more when it closes standard output."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def write_error(code: Exit, text: str) -> None:
    """What ``--json`` writes of a command that failed: ``{"error": …, "exit": …}``."""
    write_json({"exit": int(code), "error": text})
    sys.stdout.flush()
