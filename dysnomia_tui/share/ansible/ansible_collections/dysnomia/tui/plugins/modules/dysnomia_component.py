#!/usr/bin/python
"""The Ansible module ``dysnomia.tui.dysnomia_component``.

It calls the commands on the host and imports nothing of them: the Python that Ansible uses there is the system's own.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dysnomia_component
short_description: Snapshot and restore components of Dysnomia TUI, and gather facts about them
version_added: "0.2.0"
description:
  - Calls the commands of Dysnomia TUI on the host (C(dysnomia), C(dysnomia-snapshots), C(dysnomia-tui)), which must
    be installed there.
  - A snapshot that finds the state of the newest generation again changes nothing, and neither does the restore of a
    generation that is what is live already.
options:
  operation:
    description:
      - V(snapshot) makes a generation of the component, if its state has changed.
      - V(restore) replaces what is live by a generation. What was live is kept as a guard, where the type of state
        allows it, and C(dysnomia-tui undo) brings it back.
      - V(facts) changes nothing; it returns the health and the generations of all components, of those of
        O(container), or of one.
    type: str
    required: true
    choices: [snapshot, restore, facts]
  container:
    description: The name of the container, as in C(/etc/dysnomia/containers).
    type: str
  component:
    description: The name of the component in its container.
    type: str
  generation:
    description: The number of the generation to restore. Without it, the newest one that has a snapshot.
    type: int
  force:
    description:
      - Restore even where what is live holds nothing else than the generation. What is live is not read then, and the
        result is always changed.
    type: bool
    default: false
  yes_untrusted:
    description:
      - Restore even what was imported from elsewhere, is not trusted and was found to be dangerous, as the option
        C(--yes-untrusted) of the command.
    type: bool
    default: false
  reason:
    description: Why; it is kept with the generation and in the audit. Everybody who may read the store can read it.
    type: str
    default: ""
  wait:
    description: Whether to wait for another job on the component. Otherwise the task fails with C(rc=4) while there
      is one.
    type: bool
    default: true
  statedir:
    description: The snapshot store, where it is not the one that the commands take by themselves.
    type: path
  bin_dir:
    description: The folder of the commands, where they are not on the path of the user that Ansible becomes.
    type: path
attributes:
  check_mode:
    description: Plans as the commands do with C(--dry-run), reads what is live to tell whether anything would change,
      and changes nothing.
    support: full
  diff_mode:
    description: For a restore, the tables, files and other sections that would change or did change; no row of them.
    support: full
  platform:
    description: Linux.
    platforms: posix
    support: full
notes:
  - To tell whether a restore changes anything, and what a snapshot in check mode would do, what is live is read,
    which takes as long as a snapshot. Where that fails, for example because what is live is gone, it counts as
    changed and RV(not_compared) says why.
  - Use C(become) for the user that the store belongs to, mostly root.
  - Other variables of the commands, such as C(DYSNOMIA_CONTAINERS_PATH), are given with C(environment).
author:
  - The authors of Dysnomia TUI (@dysnomia-tui)
"""

EXAMPLES = r"""
- name: Snapshot a database before a release
  dysnomia.tui.dysnomia_component:
    operation: snapshot
    container: postgresql
    component: orders
    reason: before release 4.2
  register: before

- name: Take the release back
  dysnomia.tui.dysnomia_component:
    operation: restore
    container: postgresql
    component: orders
    generation: "{{ before.generation }}"
  when: release is failed

- name: Fail where a component needs somebody
  dysnomia.tui.dysnomia_component:
    operation: facts

- name: Say which
  ansible.builtin.assert:
    that: item.value.level == 'ok'
    fail_msg: "{{ item.key }}: {{ item.value.problem }}"
  loop: "{{ dysnomia.components | dict2items }}"
"""

RETURN = r"""
generation:
  description: The generation that was made, found again or restored; in check mode the one that would be restored, or
    that is live.
  returned: for a snapshot and a restore, where there is one
  type: int
  sample: 7
job:
  description: The job that did it, as C(dysnomia-tui jobs) lists it.
  returned: when a job was started
  type: str
  sample: "31"
plan:
  description: What would be done, a line for each step, warning and need of space; of a restore also what it replaces.
  returned: in check mode
  type: list
  elements: str
differences:
  description:
    - What a restore changes in what is live, a line for each section. C(-) will be lost, C(+) comes back, C(~)
      differs, and the counts behind it are rows or lines.
  returned: for a restore, unless O(force=true) is given outside of check mode
  type: list
  elements: str
  sample: ["~ table orders  +12 -3", "- table drafts  -40"]
not_compared:
  description: Why what is live could not be compared with a generation.
  returned: when that failed
  type: str
rc:
  description: The exit code of the command that failed (C(docs/commands.md) lists them).
  returned: failure
  type: int
  sample: 5
ansible_facts:
  description: Facts to add to C(ansible_facts).
  returned: for facts
  type: dict
  contains:
    dysnomia:
      description:
        - C(level) is V(ok), V(warning) or V(critical), and the worst of all that is there.
        - C(alarms) and C(jobs) are sentences.
        - C(components) has for each, by CONTAINER/COMPONENT, what C(dysnomia-tui status --json) says (health, level,
          problem, age of the newest good generation in seconds, verified, stored_size, type) and under C(history) its
          generations, oldest first.
      returned: always
      type: dict
"""

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

NOT_FOUND, REFUSED, MISSING = 5, 6, 8
"""Exit codes of the commands, where they were not asked."""
NOTHING = "nothing to do"


class Failed(Exception):
    """A command that failed, or that would fail."""

    def __init__(self, message: str, rc: int, **more: Any) -> None:
        super().__init__(message)
        self.rc = rc
        self.more = more


class Commands:
    """The commands on the host."""

    def __init__(self, module: Any) -> None:
        self.module = module
        statedir = module.params["statedir"]
        self.general = [f"--statedir={statedir}"] if statedir else []

    def call(self, program: str, *words: str) -> tuple[int, str, str]:
        """Run one. Returns its exit code and both of its outputs. Raises Failed where it is not there."""
        rc, out, err = self.module.run_command([self.path_of(program), *words, *self.general], data="")
        return rc, out, err

    def path_of(self, program: str) -> str:
        folder = self.module.params["bin_dir"]
        if folder:
            path = os.path.join(folder, program)
            if not os.access(path, os.X_OK):
                raise Failed(f"there is no program {path}: correct bin_dir", MISSING)
            return path
        found: str | None = self.module.get_bin_path(program)
        if found is None:
            raise Failed(f"{program} is not on the path of this host's user: name its folder with bin_dir", MISSING)
        return found

    def ask(self, program: str, *words: str) -> tuple[int, Any]:
        """Run one with --json. Returns its exit code and its document. Raises Failed with the program's sentence."""
        rc, out, err = self.call(program, *words, "--json")
        try:
            said = plain(json.loads(out))
        except ValueError:
            raise Failed(last_line(err) or f"{program} ended with {rc} and said nothing", rc or 1) from None
        if isinstance(said, dict) and "error" in said:
            raise Failed(said["error"], rc)
        return rc, said

    def lines(self, program: str, *words: str) -> list[str]:
        """Run one. Returns the lines of its standard output. Raises Failed with the program's sentence."""
        rc, out, err = self.call(program, *words)
        if rc:
            raise Failed(last_line(err).partition(": ")[2] or f"{program} ended with {rc}", rc)
        return [line for line in out.splitlines() if line]


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def plain(value: Any) -> Any:
    """A document whose text every JSON can hold: of names that are not UTF-8 the odd bytes are written as escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {plain(name): plain(one) for name, one in value.items()}
    return value


def component_words(params: Any) -> list[str]:
    """The options that name what is asked for; none for what is left open."""
    return [f"--{name}={params[name]}" for name in ("container", "component") if params[name]]


def change_words(params: Any) -> list[str]:
    words = [f"--operation={params['operation']}", *component_words(params)]
    words += [f"--reason={params['reason']}"] if params["reason"] else []
    words += [] if params["wait"] else ["--no-wait"]
    return words + (["--yes-untrusted"] if params["yes_untrusted"] else [])


def plan_lines(plan: Any) -> list[str]:
    lines = [step["text"] for step in plan["steps"]]
    lines += [f"replaces: {plan['replaces']}"] if plan["replaces"] else []
    lines += [f"space ({one['where']}): {one['needs']} bytes of {one['has']} free" for one in plan["space"]]
    lines += [f"note: {text}" for text in plan.get("notes", ())]
    return lines + [f"warning: {text}" for text in plan["warnings"]]


def planned(commands: Commands, words: list[str]) -> Any:
    """The plan of a change, None where there is nothing to do. Raises Failed where it cannot be carried out."""
    rc, said = commands.ask("dysnomia", *words, "--dry-run")
    plan = said["plan"]
    if rc and plan is not None:
        raise Failed(f"cannot {plan['title']}: {'; '.join(plan['blockers'])}", rc, plan=plan_lines(plan))
    return plan


def done(commands: Commands, words: list[str]) -> Any:
    """Carry a change out. Returns its job, None where there was nothing to do. Raises Failed."""
    rc, said = commands.ask("dysnomia", *words)
    job = said["job"]
    if rc:
        parts = (job["title"], job["message"] or job["state"], job["details"].get("hint"))
        raise Failed(": ".join(part for part in parts if part), rc, job=job["id"])
    return job


def compared(commands: Commands, params: Any, old: object, new: object) -> tuple[list[str], str]:
    """The sections in which two states differ, a line each; or why they could not be compared."""
    try:
        lines = commands.lines("dysnomia-snapshots", "--diff", str(old), str(new), *component_words(params))
    except Failed as failure:
        return [], str(failure)
    return [line for line in lines if not line.startswith("= ")], ""


def snapshot(commands: Commands, params: Any, check_mode: bool) -> dict[str, Any]:
    words = change_words(params)
    if check_mode:
        return snapshot_checked(commands, params, planned(commands, words))
    job = done(commands, words)
    if job is None:
        return {"changed": False, "msg": NOTHING}
    (made,) = job["details"]["generations"]
    return {"changed": made["new"], "generation": made["number"], "job": job["id"], "msg": job["message"]}


def snapshot_checked(commands: Commands, params: Any, plan: Any) -> dict[str, Any]:
    """What a snapshot would do."""
    if plan is None:
        return {"changed": False, "plan": [], "msg": NOTHING}
    _, found = commands.ask("dysnomia-snapshots", "--query-latest", *component_words(params))
    if not found:
        return {"changed": True, "plan": plan_lines(plan), "msg": "its first generation would be made"}
    number = found[-1]["generation"]
    differences, problem = compared(commands, params, number, "live")
    result = {"changed": bool(differences or problem), "generation": number, "plan": plan_lines(plan)}
    if problem:
        result.update(not_compared=problem, msg=f"a generation would be made, unless {number} is what is live")
    elif differences:
        result["msg"] = "a generation would be made"
    else:
        result["msg"] = f"unchanged: generation {number} would be seen again"
    return result


def restore(commands: Commands, params: Any, check_mode: bool) -> dict[str, Any]:
    words = change_words(params)
    generation = params["generation"]
    plan = planned(commands, [*words, *([f"--generation={generation}"] if generation is not None else [])])
    if plan is None:
        raise Failed(f"{params['container']}/{params['component']} has no generation to restore", NOT_FOUND)
    if plan["params"].get("dangerous") and not params["yes_untrusted"]:
        why = "it is not trusted; trust it on the host (dysnomia-tui trust), or set yes_untrusted"
        raise Failed(f"will not {plan['title']}: {why}", REFUSED, plan=plan_lines(plan))
    number = plan["params"]["number"]
    result: dict[str, Any] = {"changed": True, "generation": number}
    if check_mode or not params["force"]:
        differences, problem = compared(commands, params, "live", number)
        result["changed"] = bool(differences or problem or params["force"])
        if problem:
            result["not_compared"] = problem
        else:
            result["differences"] = differences
            result["diff"] = {"prepared": "".join(f"{line}\n" for line in differences)}
    if not result["changed"]:
        result["msg"] = f"generation {number} is what is live"
    elif check_mode:
        result.update(plan=plan_lines(plan), msg=f"would {plan['title']}")
    else:
        # By its number: the one that was compared, whatever was made since.
        job = done(commands, [*words, f"--generation={number}"])
        result.update(job=job["id"], msg=job["message"])
    return result


def facts(commands: Commands, params: Any, check_mode: bool) -> dict[str, Any]:
    container, component = params["container"], params["component"]
    _, report = commands.ask("dysnomia-tui", "status")
    _, generations = commands.ask("dysnomia-snapshots", "--query-all", *component_words(params))
    found = {}
    for one in report["components"]:
        of, _, name = one["key"].partition("/")
        if container in (None, of) and component in (None, name):
            found[one["key"]] = {**one, "history": []}
    if container and not found:
        what = f"component {container}/{component}" if component else f"component in a container {container!r}"
        raise Failed(f"there is no {what}", NOT_FOUND)
    for one in generations:
        key = f"{one.pop('container')}/{one.pop('component')}"
        if key in found:
            found[key]["history"].append(one)
    told = {name: report[name] for name in ("level", "alarms", "jobs")}
    return {"changed": False, "ansible_facts": {"dysnomia": {**told, "components": found}}}


OPERATIONS = {"snapshot": snapshot, "restore": restore, "facts": facts}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "operation": {"type": "str", "required": True, "choices": ["snapshot", "restore", "facts"]},
            "container": {"type": "str"},
            "component": {"type": "str"},
            "generation": {"type": "int"},
            "force": {"type": "bool", "default": False},
            "yes_untrusted": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
            "wait": {"type": "bool", "default": True},
            "statedir": {"type": "path"},
            "bin_dir": {"type": "path"},
        },
        required_if=[
            ("operation", "snapshot", ("container", "component")),
            ("operation", "restore", ("container", "component")),
        ],
        required_by={"component": ["container"]},
        supports_check_mode=True,
    )
    params = module.params
    for name in ("generation", "force", "yes_untrusted"):
        if params[name] not in (None, False) and params["operation"] != "restore":
            module.fail_json(msg=f"{name} goes with operation: restore", rc=2)
    try:
        result = OPERATIONS[params["operation"]](Commands(module), params, module.check_mode)
    except Failed as failure:
        module.fail_json(msg=str(failure), rc=failure.rc, **failure.more)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
