"""Keys while a server takes connections and never answers: its processes are stopped with SIGSTOP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import Figure, Part, absolute
from tests.benchmarks.screen import Watched, running
from tests.plugins.servers.postgresql import PostgresServer

KEYS = 120
DATABASES = 10


def measure() -> Sequence[Figure]:
    """The 95th percentile over keys in the list of components, asked again and again how they are."""
    program = Path(sys.executable).parent
    with tempfile.TemporaryDirectory(prefix="bench.") as root, PostgresServer() as server:
        environment = _environment(Path(root), server)
        for number in range(DATABASES):
            names = ("-C", "pg", "-c", f"shop{number}")
            subprocess.run([program / "dysnomia", "-o", "activate", *names], env=environment, check=True)
            subprocess.run([program / "dysnomia", "-o", "snapshot", *names], env=environment, check=True)
        os.killpg(server.pid, signal.SIGSTOP)
        try:
            with running([str(program / "dysnomia-tui")], environment) as watched:
                watched.until(lambda text: "shop9" in text and "not answering" in text)
                times = [_key(watched, number) for number in range(KEYS)]
        finally:
            os.killpg(server.pid, signal.SIGCONT)
    return [absolute("a key while a server hangs, p95", sorted(times)[int(len(times) * 0.95)] * 1000, 50, "ms")]


def _key(watched: Watched, number: int) -> float:
    """Down and up the list; now and then everything is asked again, which starts more questions that hang."""
    if number % 20 == 0:
        os.write(watched.fd, b"\x0c")
        watched.quiet()
    return watched.key(b"j" if number % 16 < 8 else b"k")


def _environment(root: Path, server: PostgresServer) -> dict[str, str]:
    (root / "containers").mkdir()
    lines = (f'{name}="{value}"\n' for name, value in server.properties.items())
    (root / "containers" / "pg").write_text("".join(lines))
    for number in range(DATABASES):
        folder = root / "components" / "pg"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"shop{number}").touch()
    return {
        "HOME": str(root),
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "DYSNOMIA_STATEDIR": str(root / "state"),
        "DYSNOMIA_CONTAINERS_PATH": str(root / "containers"),
        "DYSNOMIA_COMPONENTS_PATH": str(root / "components"),
        "DYSNOMIA_MODULES_PATH": str(root / "modules"),
        "XDG_CONFIG_HOME": str(root / "config"),
    }


PARTS = (Part("hanging", measure, order=45),)
