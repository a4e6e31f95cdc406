"""What stands against single definitions that are put back beside what else is live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from dysnomia_plugins.base import Context
from dysnomia_plugins.types.rabbitmq import messages
from dysnomia_plugins.types.rabbitmq.changes import Change, Target, to_make
from dysnomia_plugins.types.rabbitmq.definitions import (
    BINDINGS,
    EXCHANGES,
    OPERATOR_POLICIES,
    PARAMETERS,
    PERMISSIONS,
    POLICIES,
    QUEUES,
    TOPICS,
    USERS,
    VHOST,
    Document,
    in_words,
    name_of,
)
from dysnomia_plugins.types.rabbitmq.exchange import EMPTY_IT
from dysnomia_plugins.types.rabbitmq.live import Live
from dysnomia_plugins.types.rabbitmq.load import lacking
from dysnomia_plugins.types.rabbitmq.messages import Depths
from dysnomia_plugins.types.rabbitmq.node import Server, State
from dysnomia_plugins.types.rabbitmq.rows import Wanted, ends_of, has_end, with_rows
from dysnomia_plugins.types.rabbitmq.vhosts import shown

_LENGTHS = (POLICIES, OPERATOR_POLICIES)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Rows, and what they would meet."""

    ctx: Context
    server: Server
    live: Live
    state: State
    held: Depths
    users: frozenset[bytes]
    """Those of the server that are asked about."""

    def conflicts(self, wants: Sequence[Wanted]) -> dict[int, str]:
        """By their places, each with the reason; all others can be put back, together. Raises PluginError."""
        against: dict[int, str] = {}
        while True:
            taken = {at: want for at, want in enumerate(wants) if at not in against and self.differs(want)}
            after = with_rows(self.live.document, taken.values())
            staying = {wants[at].target for at in against if wants[at].one is None}
            more = {
                at: text
                for at, want in taken.items()
                if (text := self._alone(want) or self._of_staying(want, staying) or self._beside(want, after))
            }
            more = more or self._lost(taken, after)
            if not more:
                return against | {at: text for at, want in enumerate(wants) if (text := _ambiguous(want))}
            against |= more

    def differs(self, want: Wanted) -> bool:
        """Whether live would change."""
        if want.key is None:
            return False
        if want.kind is USERS:
            return (want.key[0] in self.users) != (want.one is not None)
        return self.live.document.of[want.kind.name].get(want.key) != want.one

    def _alone(self, want: Wanted) -> str:
        """Whatever else is put back."""
        assert want.key is not None
        if want.kind is USERS and want.one is None:
            return (
                f"the user {shown(want.key[0])} is one of the server, and may be in use by other virtual hosts:"
                " see rabbitmqctl delete_user"
            )
        if want.kind is VHOST and want.one is None:
            return "the virtual host itself cannot be taken away"
        if want.one is not None:
            for text in lacking(Document({want.kind.name: {want.key: want.one}}), self.state):
                return text
        if want.kind in (QUEUES, EXCHANGES):
            return self._of_place(want)
        return ""

    def _of_place(self, want: Wanted) -> str:
        assert want.key is not None
        name = f"the {want.kind.name} {shown(want.key[0])}"
        if want.kind is QUEUES and want.key in self.live.document.of[QUEUES.name]:
            depth = self.held.get(want.key[0], messages.Depth())
            if not depth.known:
                return f"{name} does not answer, and would be deleted: start the node that it is on"
            if depth.holds and not self.server.discard:
                how = "deleted" if want.one is None else "deleted and declared again, since it is another"
                return f"{name} holds {depth} and would be {how}: {EMPTY_IT}"
        if (want.kind.name, want.key) in self.live.others:
            return f"clients have made {name} for themselves, and not to last: end them first"
        return ""

    def _of_staying(self, want: Wanted, staying: Set[Target | None]) -> str:
        """A binding goes with its queue or exchange; where that is left, it is left too."""
        if want.kind is not BINDINGS or want.one is not None or want.key is None:
            return ""
        binding = self.live.document.of[BINDINGS.name][want.key]
        for end in ends_of(binding):
            if end in staying:
                return f"the binding {in_words(BINDINGS, binding)} is one of the {_named(end)}, which stays"
        return ""

    def _beside(self, want: Wanted, after: Document) -> str:
        """With what would be live then."""
        assert want.key is not None
        if want.kind is BINDINGS and want.one is not None:
            for end in ends_of(want.one):
                if not has_end(after, end):
                    return (
                        f"the binding {in_words(BINDINGS, want.one)} needs the {_named(end)}, which live does not have:"
                        " put it back too"
                    )
        if want.kind in (QUEUES, EXCHANGES) and want.one is None:
            attached = [one for one in after.of[BINDINGS.name].values() if (want.kind.name, want.key) in ends_of(one)]
            if attached:
                binding = in_words(BINDINGS, attached[0])
                more = f" and {len(attached) - 1:,} more" if len(attached) > 1 else ""
                return (
                    f"the {_named((want.kind.name, want.key))} has the binding {binding}{more}, which would go with it:"
                    " choose that too"
                )
        if want.kind in (PERMISSIONS, TOPICS) and want.one is not None:
            user = name_of(want.one, "user")
            if user not in self.users and (user,) not in after.of[USERS.name]:
                return f"the server has no user {shown(user)}: make him first (rabbitmqctl add_user)"
        return ""

    def _lost(self, taken: dict[int, Wanted], after: Document) -> dict[int, str]:
        """Policies that would shorten what queues hold. Raises PluginError."""
        policies = [at for at, want in taken.items() if want.kind in _LENGTHS]
        if not policies or self.server.discard:
            return {}
        texts = self._in_sentences(self._changes(taken, after), after)
        return dict.fromkeys(policies, f"{messages.in_parts(texts)}: {EMPTY_IT}") if texts else {}

    def warnings(self, wants: Sequence[Wanted], against: dict[int, str]) -> Iterator[str]:
        """Of what would be put back. Raises PluginError."""
        taken = {at: want for at, want in enumerate(wants) if at not in against and self.differs(want)}
        after = with_rows(self.live.document, taken.values())
        changes = self._changes(taken, after)
        texts = self._in_sentences(changes, after) if self.server.discard else []
        if texts:
            yield f"messages would be lost, and no undo brings them back: {messages.in_parts(texts)}"
        for kind in (QUEUES, EXCHANGES):
            remade = [in_words(kind, one.one) for one in changes if one.kind is kind and one.what == "remake"]
            if remade:
                yield f"{kind.title} would be deleted and declared again, with the bindings that they have: " + (
                    ", ".join(remade[:5]) + (", …" if len(remade) > 5 else "")
                )
        users = [in_words(USERS, want.one) for want in taken.values() if want.kind is USERS and want.one is not None]
        if users:
            yield f"users that the server lacks would be made, with the passwords of then: {', '.join(users[:5])}"
        if any(want.kind is PARAMETERS and want.one is not None for want in taken.values()):
            yield "parameters (of shovels, federations) work at once, and may move messages by themselves"

    def _changes(self, taken: dict[int, Wanted], after: Document) -> list[Change]:
        return to_make(after, self.live, discard=self.server.discard, targets=targets_of(taken.values()))

    def _in_sentences(self, changes: Sequence[Change], after: Document) -> list[str]:
        lost = messages.lost(self.server, self.ctx.runner, changes, self.live.document, after, self.held)
        return list(lost)


def targets_of(wants: Iterable[Wanted]) -> set[Target]:
    """The definitions that they are."""
    return {want.target for want in wants if want.target is not None}


def _ambiguous(want: Wanted) -> str:
    return (
        f"live has several {want.kind.title} that are shown with this key: change them by hand"
        if want.ambiguous
        else ""
    )


def _named(end: Target) -> str:
    kind, key = end
    return f"{kind} {shown(key[0])}"
