"""``dysnomia-tui notify``: who is told what happens while nobody watches, and a message to try it."""

from __future__ import annotations

import argparse
from pathlib import Path

from dysnomia_tui.cli.shared.output import say, visible, write_json, write_line
from dysnomia_tui.cli.shared.parser import Usage, load, open_engine
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.errors import Exit

HINT = "write [notify] in config.toml (docs/configuration.md)"


def notify(args: argparse.Namespace) -> int:
    """Show what is configured, or send a test message. Raises Usage where nothing is configured."""
    settings = load(args.statedir)
    for text in settings.exposed:
        say(f"warning: {text}")
    ways = _ways(settings)
    engine = open_engine(settings, read_only=True)
    if not args.test:
        reported = engine.told()
        if args.json:
            write_json({"ways": ways, "told": reported})
            return Exit.OK
        for name, where in ways.items():
            write_line(visible(f"{name:<14}  {where}"))
            for line in reported.get(name, ()):
                write_line(visible(f"  told: {line}"))
        if not ways:
            say(f"no notification is configured: {HINT}")
        return Exit.OK
    if not ways:
        raise Usage("no notification is configured", HINT)
    results = {}
    for name, problem in engine.notify_test():
        results[name] = problem
        if not args.json:
            write_line(visible(f"{name}: {problem or 'sent'}"))
    failed = [name for name, problem in results.items() if problem]
    status = Exit.OK if not failed else Exit.PARTLY if len(failed) < len(results) else Exit.FAILED
    if args.json:
        write_json({"exit": int(status), "ways": {name: problem or None for name, problem in results.items()}})
    return status


def _ways(settings: Settings) -> dict[str, str]:
    """By name, where a message goes; an address is not shown, a file with one is."""
    notify = settings.notify
    ways = {"command": " ".join(notify.command)} if notify.command else {}
    if notify.apprise:
        ways["apprise"] = ", ".join(map(str, notify.apprise))
    for task, address in notify.ping.items():
        ways[f"ping.{task}"] = str(address) if isinstance(address, Path) else "an address in config.toml"
    return ways
