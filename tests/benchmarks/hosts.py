"""A thousand hosts on one screen, answered by a stand-in for ssh: until all have answered, and keys while they do."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import Figure, Part, absolute
from tests.benchmarks.screen import Watched, p95, running

HOSTS, KEYS = 1000, 60
STAND_IN = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nread -r said <"$0.said"\necho "$said"\n'
SAID = {"level": "ok", "components": [{"key": "shop/orders", "level": "ok", "health": "ok", "age": 7200.0}]}


def measure() -> Sequence[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench.") as root:
        argv = [str(Path(sys.executable).parent / "dysnomia-tui"), "hosts", "--screen"]
        with running(argv, _environment(Path(root))) as watched:
            watched.until(lambda text: "not yet answered" in text)
            begun = time.perf_counter()
            full = watched.until(_full) + watched.started - begun
            os.write(watched.fd, b"\x0c")  # all are asked again
            times, busy = [], []
            for number in range(KEYS):
                before = watched.processor()
                times.append(_key(watched, number))
                busy.append(watched.processor() - before)
    return [
        absolute("1,000 hosts through a stand-in for ssh, 50 at once: all on the screen", full * 1000, 10_000, "ms"),
        absolute("a key while 1,000 hosts are asked again, p95", p95(times), 50, "ms"),
        absolute("of the processor for it, by the thread that draws, p95", p95(busy), 50, "ms"),
    ]


def _full(text: str) -> bool:
    return "hosts, 0 need a person" in text and "not yet answered" not in text


def _key(watched: Watched, number: int) -> float:
    return watched.key(b"j" if number % 20 < 15 else b"k")


def _environment(root: Path) -> dict[str, str]:
    (root / "ssh").write_text(STAND_IN)
    (root / "ssh").chmod(0o755)
    (root / "ssh.said").write_text(json.dumps(SAID) + "\n")
    (root / "config" / "dysnomia-tui").mkdir(parents=True)
    hosts = "".join(f"[hosts.h{number:04}]\n" for number in range(HOSTS))
    (root / "config" / "dysnomia-tui" / "config.toml").write_text(hosts)
    return {
        "HOME": str(root), "PATH": f"{root}:{os.defpath}", "LC_ALL": "C.UTF-8", "TERM": "xterm-256color",
        "COLORTERM": "truecolor", "DYSNOMIA_STATEDIR": str(root / "state"), "XDG_RUNTIME_DIR": str(root),
        "DYSNOMIA_CONTAINERS_PATH": str(root / "containers"), "DYSNOMIA_COMPONENTS_PATH": str(root / "components"),
        "DYSNOMIA_MODULES_PATH": str(root / "modules"), "XDG_CONFIG_HOME": str(root / "config"),
    }  # fmt: skip


PARTS = (Part("hosts", measure, order=46),)
