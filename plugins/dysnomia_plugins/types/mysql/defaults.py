"""What an operator's own option file (``mysqlDefaultsFile``) says of the connection, and nothing else.

Such a file is often written for other dumps, too: ``ignore-table``, ``no-create-info`` or ``where`` of its
``[mysqldump]`` would cut ours, ``xml`` of its ``[mysql]`` spoil every answer, without an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from dysnomia_plugins.base import Runner
from dysnomia_plugins.errors import PluginError, ProcessFailed
from dysnomia_plugins.toolkit.guarded.named_file import require_obeyed_file

Options = tuple[tuple[str, str | None], ...]
"""Names with dashes, and values; None where there is no ``=``. A later one replaces an earlier one."""

SHARED = ("client", "client-server", "client-mariadb")
CLIENT_GROUPS = (*SHARED, "mysql", "mariadb-client")
DUMPER_GROUPS = (*SHARED, "mysqldump", "mariadb-dump")
_CONNECTION = frozenset({
    "user", "password", "host", "port", "socket", "protocol", "compress", "default-auth", "plugin-dir", "secure-auth",
    "enable-cleartext-plugin", "get-server-public-key", "server-public-key-path",
})  # fmt: skip
_HIDDEN = b"--password=*****"
"""As MySQL's ``my_print_defaults`` writes any password (its manual, "my_print_defaults")."""
_ENCRYPTION = ("ssl", "skip-ssl", "disable-ssl", "tls-")


def connection_options(runner: Runner, printer: str, file: str, groups: tuple[str, ...]) -> Options:
    """How a server is reached, as groups of an option file have it. ``printer`` is ``my_print_defaults``.

    Raises NotSafe where others may write the file, PluginError where it cannot be read."""
    require_obeyed_file(file, "mysqlDefaultsFile")
    try:
        output = _printed(runner, [printer, f"--defaults-file={file}"], groups)
    except ProcessFailed as error:
        why = next(filter(None, error.stderr.splitlines()), f"status {error.status}")
        raise PluginError(f"the option file {file} cannot be read ({why})", "check mysqlDefaultsFile") from None
    options = []
    for line in output.split("\n"):
        name, equals, value = line.removeprefix("--").partition("=")
        name = name.replace("_", "-").removeprefix("loose-")
        if name in _CONNECTION or name.startswith(_ENCRYPTION):
            options.append((name, value if equals else None))
    return tuple(options)


def _printed(runner: Runner, words: Sequence[str], groups: Sequence[str]) -> str:
    """What the program prints. MySQL's hides passwords where it is not told to show them; MariaDB's cannot be told.

    Raises ProcessFailed."""
    output = runner.run([*words, *groups]).stdout
    if _HIDDEN in output.splitlines():
        with suppress(ProcessFailed):  # MariaDB's: then that is the password
            output = runner.run([*words, "--show", *groups]).stdout
    return output.decode("utf-8", "surrogateescape")
