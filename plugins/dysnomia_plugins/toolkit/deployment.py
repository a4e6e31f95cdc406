"""What types have in common that only deploy: whose files they obey, the users and groups of a component, the way back.

What an activation is about to make stands in the journal first, so that one that fails, is cancelled or dies is taken
back. Accounts that were there before stay then; deactivating removes all that the component describes, whoever made
it. Home folders stay: they may hold state.

    activate:             require_obeyed(component); add_accounts(ctx); ...
    deactivate:           require_obeyed(component); ...; remove_accounts(ctx)
    rollback_activation:  with taken_back() as faults: with noting(faults): ...; take_back_accounts(ctx, faults)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dysnomia_base.ownership import refusal_below
from dysnomia_plugins.base import Component, Context
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError
from dysnomia_plugins.toolkit import accounts

PACKAGES: Mapping[str, str] = dict.fromkeys(accounts.TOOLS, "passwd")
"""Where the programs are that make accounts."""
_HINTED = 'printf "%s\\n" "$@" >&2; exec bash --norc -i'


def no_state(what: str, keeps: str = "it keeps") -> str:
    """Why a type that only deploys has no generations, for the operator; ``keeps``: who keeps what there is."""
    return (
        f"{what} holds no state of its own, so it has no generations:"
        f" what {keeps} is in databases and folders, which are components of their own"
    )


def names_in(component: Component, folder: Path, what: str, hint: str) -> list[str]:
    """What stands in a folder of a component's, sorted, without hidden names.

    Raises PluginError with ``hint`` where the folder cannot be read: the component has no ``what``."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise PluginError(f"{component.key} has no {what} ({folder}: {error.strerror})", hint) from error


def require_obeyed(component: Component) -> None:
    """For what a component's files make us run, signal or remove, also when it goes out of service: nobody but root
    and the caller may write any of them.

    Raises NotSafe naming the file at fault."""
    refused = refusal_below(component.path)
    if refused:
        raise NotSafe(refused, "give it to root (chown, chmod go-w), or to the user who calls")


def add_accounts(ctx: Context) -> None:
    """Make the component's users and groups be there. Groups first: users name them. Raises PluginError."""
    ctx.progress.phase("accounts")
    path = ctx.component.path
    groups = accounts.plan_add_groups(accounts.read_groups(path))
    ctx.journal.step("groups", names=_created(groups, "groupadd"))
    accounts.carry_out(groups, ctx.runner, ctx.progress.log)
    users = accounts.plan_add_users(accounts.read_users(path))
    ctx.journal.step("users", names=_created(users, "useradd"))
    accounts.carry_out(users, ctx.runner, ctx.progress.log)


def remove_accounts(ctx: Context) -> None:
    """Make them be gone. Raises PluginError, NotSafe."""
    ctx.progress.phase("accounts")
    path = ctx.component.path
    users = accounts.plan_delete_users(accounts.read_users(path, removing=True))
    accounts.carry_out(users, ctx.runner, ctx.progress.log)
    # Planned when the users are gone: a user's own group goes with them.
    groups = accounts.plan_delete_groups(accounts.read_groups(path, removing=True))
    accounts.carry_out(groups, ctx.runner, ctx.progress.log)


def take_back_accounts(ctx: Context, faults: list[str]) -> None:
    """Remove those that the journal says an activation was about to make. Goes on after a fault, and notes it."""
    done = dict(ctx.journal.steps())
    with noting(faults):
        users = [accounts.User(name) for name in done.get("users", {}).get("names", ())]
        accounts.carry_out(accounts.plan_delete_users(users), ctx.runner, ctx.progress.log)
    with noting(faults):
        groups = [accounts.Group(name) for name in done.get("groups", {}).get("names", ())]
        accounts.carry_out(accounts.plan_delete_groups(groups), ctx.runner, ctx.progress.log)


def _created(steps: Sequence[accounts.Step], program: str) -> list[str]:
    return [step.name for step in steps if step.argv[:1] == (program,)]


@contextmanager
def taken_back() -> Iterator[list[str]]:
    """A list for the faults of taking something back. Raises PluginError with all of them at its end."""
    faults: list[str] = []
    yield faults
    if faults:
        raise PluginError("not all of it could be taken back: " + "; ".join(faults), "deactivate it")


@contextmanager
def noting(faults: list[str]) -> Iterator[None]:
    """Go on after a fault."""
    try:
        yield
    except Cancelled:
        raise
    except PluginError as error:
        faults.append(error.message)
    except OSError as error:
        faults.append(f"{error.filename}: {error.strerror}")


def hinted_shell(hints: Sequence[str]) -> tuple[Sequence[str], Mapping[str, str]]:
    """A shell, with the commands for a component told first, as Dysnomia's modules do."""
    return ("bash", "--norc", "-c", _HINTED, "bash", *hints), {}
