"""Changes made at the node, until a virtual host holds what it should.

RabbitMQ has no transaction for them: they are made one after the other, each only while its definition is what it was
read as. What a client changed between is noted first, where what was live is set aside; what it makes anew stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.rabbitmq.changes import Change, Target, Targets, to_make
from dysnomia_plugins.types.rabbitmq.definitions import PARAMETERS, USERS, VHOST, Document, in_words
from dysnomia_plugins.types.rabbitmq.live import Live
from dysnomia_plugins.types.rabbitmq.live import of_answer as live_of
from dysnomia_plugins.types.rabbitmq.node import DISCARD, Server
from dysnomia_plugins.types.rabbitmq.node import in_words as reason_in_words
from dysnomia_plugins.types.rabbitmq.spool import Spool
from dysnomia_plugins.types.rabbitmq.terms import Atom, Term

BATCH = 1000
"""Changes that one short-lived node makes: a job that is killed makes no more than these."""
_ROUNDS = 20


class Holds(NotSafe):
    """A queue that would go holds messages."""

    def __init__(self, name: str, left: Sequence[Term]) -> None:
        if len(left) == 2:
            count = f"{int(left[0]) + int(left[1]):,} messages ({left[0]:,} ready, {left[1]:,} unacknowledged)"
        else:
            super().__init__(f"the queue {name} does not answer, and would be deleted", "start the node that it is on")
            return
        super().__init__(f"the queue {name} holds {count}, and would be deleted", EMPTY_IT)


LOG = "see its log (rabbitmqctl log_tail)"
EMPTY_IT = f"empty it, or set {DISCARD}=true in the container: its messages are lost then"


@dataclass
class Exchange:
    """What is to be made of a virtual host."""

    ctx: Context
    server: Server
    vhost: bytes
    aside: Spool | None = None
    """Where what was live is set aside."""

    def make(self, wanted: Document, live: Live | None, targets: Targets | None = None) -> None:
        """Raises Holds, PluginError: then some is changed, and some is not."""
        before: list[Change] = []
        changed: list[Change] = []
        for _ in range(_ROUNDS):
            changes = to_make(wanted, live, discard=self.server.discard, targets=targets)
            if all(one.kind is USERS for one in changes):  # who has no permissions is not seen
                return
            if changes == before and not changed:
                which = ", ".join(f"{one.kind.title}: {in_words(one.kind, one.one)}" for one in changes[:3])
                raise PluginError(
                    f"the server keeps some definitions in another way than they are wanted: {which}", LOG
                )
            before = changes
            changed, live = self._made(changes)
            if changed and live is not None:
                self._note(changed, live)
        raise PluginError(
            f"clients change the definitions of {self.vhost.decode('utf-8', 'backslashreplace')} all the time, so that"
            " they cannot be exchanged",
            "stop them, then recover",
        )

    def make_once(self, wanted: Document, live: Live, targets: Targets) -> set[Target]:
        """The same, but that what a client changes between stays as he made it: returns these definitions.

        Raises Holds, PluginError: then some is changed, and some is not."""
        changes = to_make(wanted, live, discard=self.server.discard, targets=targets)
        if not changes:
            return set()
        changed, now = self._made(changes)
        missed = {(one.kind.name, one.key) for one in changed}
        for kind, key in targets - missed:
            if kind != USERS.name and (now is None or now.document.of[kind].get(key) != wanted.of[kind].get(key)):
                missed.add((kind, key))
        return missed

    def _made(self, changes: Sequence[Change]) -> tuple[list[Change], Live | None]:
        """Returns those that were not made, since a client had changed the definition, and what is live then."""
        changed = []
        done = 0
        facts: Term = None
        for batch in _batches(changes):
            questions: list[Term] = [(Atom("change"), self.vhost, [one.term for one in batch])]
            if done + len(batch) == len(changes):
                questions.append((Atom("read"), self.vhost))
            answers, *rest = self.server.ask(self.ctx.runner, *questions)
            facts = rest[0] if rest else None
            for one, answer in zip(batch, answers, strict=False):
                if answer == "changed" and one.kind is VHOST:
                    raise NotSafe("another client has just made this virtual host", "look at it, then try again")
                if answer == "changed":
                    changed.append(one)
                elif answer != "done":
                    raise self._refused(one, answer)
            if len(answers) != len(batch):
                raise PluginError(f"the node {self.server} made only some of the changes", "see its log")
            done += len(batch)
            self.ctx.progress.advance(done, len(changes), "changes")
        return [one for one in changed if one.kind is not USERS], live_of(facts)

    def _refused(self, change: Change, answer: Term) -> PluginError:
        name = in_words(change.kind, change.one)
        if isinstance(answer, tuple) and answer[0] == "left":
            return Holds(name, answer[1:])
        reason = reason_in_words(answer[1]) if isinstance(answer, tuple) and len(answer) == 2 else "it gave no reason"
        if change.kind in (PARAMETERS, USERS):
            reason = "its value is not valid there"  # the server's words repeat parts of it, and it may be a password
        return PluginError(
            f"the node {self.server} did not {change.what} {name!r} of the {change.kind.title}: {reason}", LOG
        )

    def _note(self, changed: Sequence[Change], live: Live) -> None:
        """What clients made of these definitions meanwhile, durable before it is overwritten."""
        if self.aside is None or not self.aside.exists():
            return
        document = self.aside.read()
        for one in changed:
            now = live.document.of[one.kind.name].get(one.key)
            if now is None:
                document.of[one.kind.name].pop(one.key, None)
            else:
                document.of[one.kind.name][one.key] = now
        self.aside.replace(document)


def _batches(changes: Sequence[Change]) -> Iterator[list[Change]]:
    remaining = iter(changes)
    while batch := list(islice(remaining, BATCH)):
        yield batch
