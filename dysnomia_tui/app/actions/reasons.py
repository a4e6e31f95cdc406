"""Why an action cannot be done here, in words for the operator: pure functions of ``Selection``; ``""`` if it can."""

from __future__ import annotations

from dysnomia_tui.app.selection import Selection
from dysnomia_tui.engine.records import Health

LOADING = "the store is still being read"


_READING_GENERATIONS = "its generations are still being read"
_PLANNING = "the plan is still being made"
_READING = "what is listed here is still being read"


def is_waiting(reason: str) -> bool:
    """Whether a reason passes by itself, as soon as something has been read."""
    return reason in (LOADING, f"read-only: {LOADING}", _READING_GENERATIONS, _PLANNING, _READING)


def never(_here: Selection) -> str:
    """Always possible."""
    return ""


def still_read(here: Selection) -> str:
    """What the key is about is not on the screen yet."""
    return _READING if here.reading else ""


def still_planned(here: Selection) -> str:
    return _PLANNING if here.planning else ""


def nothing_selected(here: Selection) -> str:
    if not any((here.component, here.container, here.found, here.application, here.group)):
        return "nothing is selected" if here.loaded else LOADING
    return ""


def no_component(here: Selection) -> str:
    if here.component is None:
        if here.found is not None or here.application is not None:
            return "adopt it first (Enter)"
        return "choose a component first" if here.loaded else LOADING
    return ""


def no_generation(here: Selection) -> str:
    if here.generation is None:
        if here.component is not None and here.component.generations:
            return _READING_GENERATIONS
        return no_component(here) or "it has no generation yet; s takes the first snapshot"
    return ""


def no_generation_of_any(here: Selection) -> str:
    if here.picked:
        return "" if any(view.newest for view in here.picked) else "no component that is marked has a generation yet"
    return no_generation(here)


def no_generations_of_any(here: Selection) -> str:
    return no_generation_of_any(here) if here.picked else no_generations(here)


def no_generations(here: Selection) -> str:
    if here.component is None:
        return no_component(here)
    return "" if here.component.generations else "it has no generation yet; s takes the first snapshot"


def no_search(here: Selection) -> str:
    return "" if here.searching else "nothing is searched for: / in rows or lines begins"


def search_has_the_key(here: Selection) -> str:
    return "a search is on: its key goes to the next hit; Esc ends the search" if here.searching else still_read(here)


def no_time(here: Selection) -> str:
    if not here.whole:
        return no_generations(here)
    able = here.group is not None or any(view.generations for view in here.members)
    return "" if able else "no component of this container has a generation yet"


def cannot_snapshot(here: Selection) -> str:
    if here.picked:
        able = any(_can(view.can, "snapshot") and view.active for view in here.picked)
        return "" if able else "no component that is marked holds state that is active"
    if here.found is not None or here.application is not None:
        return "adopt it first (Enter)"
    if here.group is not None:
        return cannot_snapshot_whole(here)
    if here.component is None:
        if here.container is None:
            return nothing_selected(here)
        able = any(_can(view.can, "snapshot") and view.active for view in here.container.components)
        return "" if able else "no component of this container holds state that is active"
    if here.component.dropped:
        return "it is no longer on its server; only its generations are left"
    if here.component.health is Health.GONE:
        return "it is no longer configured; only its generations are left"
    if not _can(here.component.can, "snapshot"):
        return f"the type {here.component.type or '?'} holds no state of its own"
    return ""


def cannot_snapshot_whole(here: Selection) -> str:
    able = any(_can(view.can, "snapshot") for view in here.members)
    return "" if able else "none of its components holds state that is configured"


def cannot_restore(here: Selection) -> str:
    if here.whole:
        return no_time(here)
    reason = no_generation(here)
    if reason or here.component is None or here.generation is None:
        return reason
    if here.generation.problem:
        return f"its link is broken: {here.generation.problem}"
    if here.component.health is Health.GONE and not here.component.dropped:
        return "it is no longer configured: configure it, then restore"
    if not _can(here.component.can, "restore"):
        return f"the type {here.component.type or '?'} cannot be restored"
    return ""


def cannot_diff(here: Selection) -> str:
    reason = no_generation(here)
    if reason or here.component is None:
        return reason
    if len(here.marks) > 2:
        return "mark one or two generations, not more"
    if len(here.marks) < 2 and here.component.generations < 2:
        return "there is only one generation; D compares it with what is live"
    return ""


def cannot_diff_live(here: Selection) -> str:
    reason = no_generation(here)
    if reason or here.component is None:
        return reason
    if here.component.health is Health.GONE or not _can(here.component.can, "snapshot"):
        return "it has no live state"
    return ""


def cannot_restore_whole(here: Selection) -> str:
    if here.job is not None and not here.job.state.ended:
        return f"J{here.job.id} has not ended"
    if here.reading:
        return _READING
    return "" if here.planned else "not every component has a good generation of that time: see the lines"


def no_generation_then(here: Selection) -> str:
    if here.generation is None:
        return still_read(here) or "it has no generation of that time"
    return ""


def nothing_to_undo(here: Selection) -> str:
    if here.whole:
        if here.job is not None and not here.job.state.ended:
            return f"J{here.job.id} has not ended: x cancels it, and takes back what it replaced"
        return "" if here.undo is not None else f"no restore of the whole of {here.whole} is to be undone"
    return no_component(here) or ("" if here.undo is not None else "this component has nothing to undo")


def nothing_found(here: Selection) -> str:
    able = here.found is not None or here.application is not None or here.picked_found
    return "" if able else "choose something that was found and is not adopted"


def no_alarm(here: Selection) -> str:
    return "" if here.alarms else "nothing needs you"


def cannot_activate(here: Selection) -> str:
    reason = no_component(here)
    if reason or here.component is None:
        return reason
    return "it is active" if here.component.active else ""


def cannot_deactivate(here: Selection) -> str:
    reason = no_component(here)
    if reason or here.component is None:
        return reason
    return "" if here.component.active else "it is not active"


def cannot_collect_live(here: Selection) -> str:
    reason = no_component(here)
    if reason or here.component is None:
        return reason
    return "" if here.component.garbage else "it is not garbage: deactivate it first"


def _can(activities: frozenset[str], activity: str) -> bool:
    return activity in activities


def no_trash(here: Selection) -> str:
    return "" if here.trash else still_read(here) or "the trash is empty"


def no_work(here: Selection) -> str:
    return "" if here.working else "no work is under way on hosts"


def no_policy(here: Selection) -> str:
    if here.policy:
        return ""
    return still_planned(here) or "no policy was typed: e types one, and the review shows what it would do"


def no_job(here: Selection) -> str:
    if here.job is not None:
        return ""
    return "no job is selected" if here.loaded else LOADING


def cannot_cancel(here: Selection) -> str:
    if here.job is None:
        return no_job(here)
    return f"J{here.job.id} has ended" if here.job.state.ended else ""


def cannot_undo_job(here: Selection) -> str:
    if here.job is None:
        return no_job(here)
    return "" if here.job.undoable else f"what J{here.job.id} did cannot be undone"


def job_submitted(here: Selection) -> str:
    return f"J{here.job.id} was submitted already" if here.job is not None else ""


def no_plan(here: Selection) -> str:
    if here.job is not None:
        return job_submitted(here)
    return "" if here.planned else _PLANNING


def nothing_to_collect(here: Selection) -> str:
    return still_planned(here) or ("" if here.planned else "nothing would be deleted")


def waits_for_none(here: Selection) -> str:
    if here.job is None:
        return no_job(here)
    return "" if here.job.behind else f"J{here.job.id} waits for no other job"


def nothing_to_deploy(here: Selection) -> str:
    return "" if here.planned else still_planned(here) or "nothing would be deployed"
