"""What a child process gets of our surroundings: variables that change no program's code, and a PATH to be trusted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from functools import lru_cache

from dysnomia_base.ownership import is_obeyed, may_hold_ours
from dysnomia_base.patterns import pattern

STANDARD_PATH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
NIX_PATH = (
    "/run/wrappers/bin", "/run/current-system/sw/bin", "/etc/profiles/per-user/{user}/bin",
    "/nix/var/nix/profiles/default/bin",
)  # fmt: skip
"""Where NixOS and Nix keep programs: a unit's PATH there names none of them."""
COMMANDS = ("dysnomia", "dysnomia-tui", "dysnomia-snapshots", "dysnomia-containers")

_NEVER = pattern(
    r"PYTHON\w*|LD_\w*|DYLD_\w*|GCONV_PATH|LOCPATH|NLSPATH|GLIBC_TUNABLES|MALLOC_\w*|GETCONF_DIR|HOSTALIASES"  # loader
    r"|BASH_ENV|ENV|IFS|SHELLOPTS|BASHOPTS|CDPATH|GLOBIGNORE|PS4|PROMPT_COMMAND|BASH_FUNC_.*|BASH_XTRACEFD"  # shells
    r"|PERL5\w*|PERLLIB|PERL_\w*|RUBYLIB|RUBYOPT|NODE_OPTIONS|NODE_PATH|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS"  # languages
    r"|GIT_\w*|SVN_\w*|PG[A-Z]\w*|MYSQL_\w*|MARIADB_\w*|REDISCLI_\w*|SQLITE_\w*"  # clients: another server, options
    r"|TAR_OPTIONS|GZIP|BZIP2?|XZ_OPT|XZ_DEFAULTS|ZSTD_\w*|LESSOPEN|LESSCLOSE|GREP_OPTIONS|POSIXLY_CORRECT"  # tools
)


def reaches_children(name: str) -> bool:
    """Whether a variable of ours may reach a child: those that load code into programs, name another server or
    change what a tool does never do."""
    return _NEVER.fullmatch(name) is None


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child of our own: ours, less what may not reach one, with ``search_path`` as its PATH."""
    kept = {name: value for name, value in environ.items() if reaches_children(name)}
    return {**kept, "PATH": search_path(environ)}


def forget_foreign_folders(environ: MutableMapping[str, str]) -> None:
    """As root, forget temporary folders that another user could replace what we make in (``sudo -E``)."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        if os.geteuid() == 0 and environ.get(name) and not may_hold_ours(environ[name]):
            del environ[name]


def search_path(environ: Mapping[str, str] | None = None) -> str:
    """Where programs are looked for, and the PATH of every child: the caller's, the folder of our own commands,
    NixOS's folders, the usual ones. As root only folders that nobody else may write, nor their way; never a relative
    one."""
    given = os.environ if environ is None else environ
    return _search_path(given.get("PATH", ""), os.geteuid())


@lru_cache(maxsize=16)
def _search_path(path: str, uid: int) -> str:
    folders = [*path.split(":"), *_own_folder(), *_nix(uid), *STANDARD_PATH]
    absolute = [folder for folder in dict.fromkeys(folders) if folder.startswith("/")]
    return ":".join(folder for folder in absolute if os.path.isdir(folder) and (uid != 0 or is_obeyed(folder, uid)))  # noqa: PTH112


def _own_folder() -> Iterator[str]:
    """Of the commands: modules call them by name. In a child it is in the PATH that it was given."""
    for program in (sys.argv[0] if sys.argv else "", sys.executable or ""):
        folder = os.path.dirname(os.path.abspath(program)) if program.startswith("/") else ""  # noqa: PTH100, PTH120
        if folder and os.path.isfile(f"{folder}/{COMMANDS[0]}"):  # noqa: PTH113
            yield folder
            return


def _nix(uid: int) -> Iterator[str]:
    import pwd

    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = ""
    for folder in NIX_PATH:
        if user or "{user}" not in folder:
            yield folder.format(user=user)
