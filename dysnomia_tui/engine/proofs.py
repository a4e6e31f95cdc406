"""When and how each generation was proved, by which job and whom: evidence, from the store's checks and the audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dysnomia_base.escape import visible
from dysnomia_base.plurals import plural
from dysnomia_store.model import Check, CheckResult, Generation
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.records import GenerationProofs, Proof

HOW = {"bytes": "every byte read", "restore": "restored and compared"}


def proofs(machine: Machine, key: ComponentKey | None = None) -> Iterator[GenerationProofs]:
    """Every generation in the store (of one component), oldest first, with every check of its snapshot. What was
    collected is gone with its checks. Raises StoreError; Unknown is not raised for a component without any."""
    asked = audit.submitted(machine.settings.statedir)
    keys = machine.store.keys() if key is None else (key,)
    for one in sorted(keys):
        for generation in machine.store.generations(one):
            checks = machine.store.checks(one, generation.id) if generation.id else ()
            result = tuple(_proof(check, asked.get(check.job, {})) for check in checks)
            yield GenerationProofs(
                key=one,
                number=generation.number,
                id=generation.id,
                as_of=generation.as_of,
                as_of_estimated=generation.as_of_estimated,
                problem=_problem(generation),
                proofs=result,
            )


def _proof(check: Check, asked: Mapping[str, Any]) -> Proof:
    return Proof(
        at=check.at,
        how=check.how,
        result=check.result,
        text=check.text,
        job=check.job,
        who=str(asked.get("who", "")),
        why=str(asked.get("why", "")),
    )


def _problem(generation: Generation) -> str:
    return generation.problem or ("" if generation.id else "its snapshot is missing")


def lines(proofs: Sequence[GenerationProofs], host: str, key: ComponentKey | None) -> Iterator[str]:
    """The same as text for handing over, in UTC, with the counts at its end."""
    yield visible(f"Proofs of the generations of {key or 'all components'} on {host}, times in UTC")
    before = None
    for one in proofs:
        if one.key != before:
            yield ""
            yield visible(str(one.key))
            before = one.key
        estimated = "≈" if one.as_of_estimated else ""
        yield visible(f"  generation {one.number}  {estimated}{one.as_of:%Y-%m-%d %H:%M:%S}Z  {one.id}".rstrip())
        if one.problem:
            yield visible(f"    cannot be proved: {one.problem}")
        elif not one.proofs:
            yield "    never proved"
        for proof in one.proofs:
            yield visible(f"    {_line(proof)}")
    yield ""
    yield _counted(proofs)


def _line(proof: Proof) -> str:
    by = [f"J{proof.job}" if proof.job else "", proof.who, f"because '{proof.why}'" if proof.why else ""]
    parts = [f"{proof.at:%Y-%m-%d %H:%M:%S}Z", HOW.get(proof.how, proof.how), proof.result.value, *filter(None, by)]
    return "  ".join(parts) + (f"  -> {proof.text}" if proof.text else "")


def _counted(proofs: Sequence[GenerationProofs]) -> str:
    """Each generation once, by the last of its proofs that weighs most."""
    counts = Counter(standing(one) for one in proofs)
    words = ("restored and compared", "every byte read", "damaged", "not verifiable", "never proved")
    text = ", ".join(f"{counts[word]} {word}" for word in words if counts[word])
    return f"{plural(len(proofs), 'generation')}{': ' if text else ''}{text}"


def standing(one: GenerationProofs) -> str:
    """How a generation stands: damaged where its last check says so, else the best that was ever shown of it."""
    if one.problem or (one.proofs and one.proofs[-1].result in (CheckResult.CORRUPT, CheckResult.MISSING)):
        return "damaged"
    good = {proof.how for proof in _since_damage(one.proofs) if proof.result is CheckResult.OK}
    if "restore" in good:
        return HOW["restore"]
    if good:
        return HOW["bytes"]
    return "not verifiable" if one.proofs else "never proved"


def _since_damage(proofs: Sequence[Proof]) -> Sequence[Proof]:
    """Those after the last one that found damage: what was shown before it was shown of other bytes."""
    bad = [at for at, proof in enumerate(proofs) if proof.result in (CheckResult.CORRUPT, CheckResult.MISSING)]
    return proofs[bad[-1] + 1 :] if bad else proofs
