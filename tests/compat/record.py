"""Record what an installed Dysnomia does in every case: ``python -m tests.compat.record PREFIX``.

``PREFIX/bin`` holds its commands. The facts are data about its behaviour; nothing of its source is in them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.compat.world import CASES, FACTS, Machine, read_cases


def record(prefix: Path) -> None:
    """Write facts/*.json anew."""
    for path in sorted(CASES.glob("*.toml")):
        facts = {}
        for case in read_cases(path):
            with tempfile.TemporaryDirectory(prefix="compat.") as folder:
                seen = Machine(Path(folder).resolve(), case, [prefix / "bin"], {}).observe()
            prose = case.ours.get("stdout") == "*"  # a text of its own is no fact we need
            stdout = "" if prose else seen.stdout
            facts[case.name] = {"exit": seen.exit, "stdout": stdout, "files": dict(seen.files)}
            if "-v" in sys.argv:
                print(f"--- {case.name}: {seen.exit}\n{seen.stdout}{seen.stderr}")
        text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
        (FACTS / f"{path.stem}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
