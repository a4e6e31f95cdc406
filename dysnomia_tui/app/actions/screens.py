"""The registry's entries for the screens beside the main one: restore, group, GC review, store, jobs, other hosts."""

from __future__ import annotations

from dysnomia_tui.app.actions import reasons
from dysnomia_tui.app.actions.model import Action, action
from dysnomia_tui.app.actions.row_screens import ROW_SCREENS
from dysnomia_tui.engine.plans.plan import Grade

_RESTORE = (
    action(
        "target",
        "tab",
        "Target",
        "Choose the next target: replace, copy, some sections, another container.",
        "restore",
        footer="target",
        why=reasons.job_submitted,
    ),
    action(
        "go",
        "enter r",
        "Go on",
        "See the confirmation of exactly this plan; nothing happens before that.",
        "restore",
        footer="go on",
        why=reasons.no_plan,
    ),
    action(
        "restore-undo",
        "u",
        "Undo",
        "Undo the restore that has just ended.",
        "restore",
        Grade.ADDS,
        "undo",
        reasons.cannot_undo_job,
    ),
    action(
        "restore-cancel",
        "x",
        "Cancel",
        "Ask the running restore to stop.",
        "restore",
        Grade.ADDS,
        "cancel",
        reasons.cannot_cancel,
    ),
    action(
        "cancel-front",
        "X",
        "Cancel the job in front",
        "Ask the job that this one waits for to stop.",
        "restore",
        Grade.ADDS,
        why=reasons.waits_for_none,
    ),
    action("restore-shell", "!", "Shell", "Open the server's own client on what was restored.", "restore", Grade.ADDS),
)

_GROUP = (
    action(
        "group-restore",
        "r",
        "Restore all",
        "Restore every component to that time as one: a plan with a line for each, one confirmation, one undo.",
        "group",
        Grade.UNDOABLE,
        "restore all",
        reasons.cannot_restore_whole,
    ),
    action(
        "group-time",
        "@",
        "Another time",
        "See where every component stood at another time: 14:05, yesterday 14:05, -2h.",
        "group",
        footer="time",
        text=True,
    ),
    action(
        "group-snapshot",
        "s",
        "Snapshot all",
        "Snapshot every component now, as near in time as can be.",
        "group",
        Grade.ADDS,
        "snap all",
        reasons.cannot_snapshot_whole,
    ),
    action(
        "group-undo",
        "u",
        "Undo",
        "Undo the last restore of the whole, all components as one; the undo can be undone too.",
        "group",
        Grade.ADDS,
        "undo",
        reasons.nothing_to_undo,
    ),
    action(
        "group-live",
        "D",
        "Compare with live",
        "Compare the generation under the cursor with what is live: what a restore would take away.",
        "group",
        footer="live",
        why=reasons.no_generation_then,
    ),
    action("group-cancel", "x", "Cancel", "Ask the running job to stop; what it replaced is taken back.", "group",
           Grade.ADDS, "cancel", reasons.cannot_cancel),
    action("group-pane", "tab", "Log", "Go to the job's log, or back to the table.", "group", why=reasons.no_job),
    action("group-go", "enter", "Go to its generations", "Show the component on the main screen.", "group",
           footer="go to"),
)  # fmt: skip

_GC = (
    action("gc-policy", "e", "Policy", "Type what to keep: last 7 daily 14 weekly 8.", "gc", footer="policy"),
    action(
        "gc-save",
        "W",
        "Save the policy",
        "Write the policy that was typed into config.toml, for the component, its container or all; then collections "
        "follow it.",
        "gc",
        Grade.ADDS,
        "save",
        reasons.no_policy,
    ),
    action(
        "gc-keep",
        "K",
        "Keep",
        "Keep the generation under the cursor, whatever the policy says.",
        "gc",
        footer="keep",
        why=reasons.still_read,
    ),
    action(
        "gc-drop",
        "d",
        "Delete",
        "Delete the generation under the cursor, whatever the policy says.",
        "gc",
        footer="delete",
        why=reasons.still_read,
    ),
    action(
        "gc-all",
        "A",
        "All components",
        "Review every component, with subtotals; again: only this one.",
        "gc",
        footer="all",
    ),
    action(
        "gc-now",
        "N",
        "Free at once",
        "Free the bytes at once instead of moving the snapshots to the trash. Cannot be undone.",
        "gc",
    ),
    action(
        "gc-apply",
        "X",
        "Carry out",
        "See the confirmation of exactly this review.",
        "gc",
        Grade.UNDOABLE,
        footer="carry out",
        why=reasons.nothing_to_collect,
    ),
    action("gc-undo", "u", "Bring back", "Bring everything back that the last collection took.", "gc", Grade.ADDS),
)

_STORE = (
    action(
        "trash-back",
        "u",
        "Bring back",
        "Bring back what is marked, or under the cursor, in the trash.",
        "store",
        Grade.ADDS,
        footer="bring back",
        why=reasons.no_trash,
    ),
    action(
        "trash-empty",
        "E",
        "Empty the trash",
        "Free what is marked in the trash, or all of it. Cannot be undone.",
        "store",
        Grade.FINAL,
        footer="empty",
        why=reasons.no_trash,
    ),
    action(
        "store-optimise",
        "O",
        "Optimise",
        "Let stored generations share what they have in common: of one component, or of all. Each is checked first.",
        "store",
        Grade.ADDS,
        footer="optimise",
        why=reasons.still_read,
    ),
    action("store-next", "tab", "Next pane", "Go to the other pane.", "store"),
)

_DEPLOY = (
    action(
        "deploy-apply",
        "X",
        "Deploy",
        "See the confirmation of exactly this deployment.",
        "deploy",
        Grade.ADDS,
        "deploy",
        reasons.nothing_to_deploy,
    ),
    action(
        "deploy-scope",
        "A",
        "Container or all",
        "Restrict it to the container under the cursor; again: all containers.",
        "deploy",
        footer="container/all",
    ),
)

_JOBS = (
    action(
        "job-cancel",
        "x",
        "Cancel",
        "Ask the job to stop; its log says when it has stopped.",
        "jobs",
        Grade.ADDS,
        "cancel",
        reasons.cannot_cancel,
    ),
    action("job-undo", "u", "Undo", "Undo what the job did.", "jobs", Grade.ADDS, "undo", reasons.cannot_undo_job),
    action(
        "job-cancel-front",
        "X",
        "Cancel the job in front",
        "Ask the job that this one waits for to stop.",
        "jobs",
        Grade.ADDS,
        why=reasons.waits_for_none,
    ),
    action("job-go", "", "Go to its component", "Show the component the job is about.", "jobs", why=reasons.no_job),
    action(
        "job-export",
        "e",
        "Export",
        "Write the audit as a UTC timeline to a file, for handing over.",
        "jobs",
        footer="export",
    ),
    action("job-pane", "tab", "Log", "Go to the log, or back to the list.", "jobs"),
)

_HOSTS = (
    action("hosts-open", "enter", "Open the host", "Open the program on the host, on what asks for a person; "
           "its end leads back here.", "hosts", footer="open"),
    action("hosts-status", "i", "Status", "Ask the marked hosts again, or the one under the cursor.", "hosts",
           footer="status", why=reasons.still_read,),
    action("hosts-snapshot", "s", "Snapshot", "Snapshot everything on the marked hosts, one host after the other; the "
           "first failure stops it.", "hosts", Grade.ADDS, "snap", why=reasons.still_read,),
    action("hosts-verify", "v", "Verify", "Verify what is due on the marked hosts, one host after the other; the first "
           "failure stops it.", "hosts", Grade.ADDS, "verify", why=reasons.still_read,),
    action("hosts-stop", "x", "Stop", "Begin on no further host; where work has begun it goes on.", "hosts",
           footer="stop", why=reasons.no_work),
    action("hosts-connect", "c", "Connect", "Connect to the marked hosts in this terminal, where ssh can ask for "
           "passwords and codes; the connections are kept.", "hosts", footer="connect", why=reasons.still_read,),
)  # fmt: skip

SCREENS: tuple[Action, ...] = (
    *ROW_SCREENS,
    *_RESTORE,
    *_GROUP,
    *_GC,
    *_STORE,
    *_DEPLOY,
    *_JOBS,
    *_HOSTS,
)
"""In the order of footer and help."""
