"""What bash Dysnomia 0.10.2 does to a store and with a snapshot, recorded from it, for tests of ours beside it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

CHECK = r"""
# dysnomia-snapshots --query-all --check: the paths, and on standard error what does not match. (Names are quoted, since
# tests have some that it could not handle.)
cd "$1"
for links in generations/*/*; do
  component=${links#generations/}
  for generation in "$links"/*; do
    id=$(basename "$(readlink "$generation")")
    echo "$component/$id"
    file=checksums/$component/$id
    [ -f "$file" ] || { echo "no checksum: $id" >&2; continue; }
    now=$( (cd "snapshots/$component/$id"
            find .; echo; find . -type f | while IFS= read -r path; do cat "$path"; done) | sha256sum)
    [ "$(cat "$file")" = "sha256:${now:0:64}" ] || echo "mismatch: $component/$id" >&2
  done
done
"""
COLLECT = r"""
# dysnomia-snapshots --gc --keep $2
cd "$1"
for links in generations/*/*; do
  component=${links#generations/}
  [ "$(ls "$links" | wc -l)" -gt "$2" ] || continue
  kept=
  for generation in $(ls "$links" | sort -n | tail -n "$2"); do
    kept="$kept $(basename "$(readlink "$links/$generation")")"
  done
  for generation in $(ls "$links" | sort -n | head -n "-$2"); do rm "$links/$generation"; done
  for id in $(ls "snapshots/$component"); do
    case " $kept " in
      *" $id "*) ;;
      *) rm -Rf "snapshots/$component/$id"; rm -f "checksums/$component/$id" ;;
    esac
  done
  for folder in generations snapshots checksums; do
    rmdir --ignore-fail-on-non-empty "$folder/$component"
  done
done
"""


def run(script: str, *args: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a script; what it says on standard output. Fails where it does, or says anything on standard error."""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script, "bash", *args],
        env=environment, cwd=cwd, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert done.stderr == b"", done.stderr.decode(errors="replace")
    return done.stdout.decode(errors="surrogateescape")


def check(statedir: Path) -> list[str]:
    """The paths it lists. Fails where one does not match its checksum, or has none."""
    return run(CHECK, str(statedir)).splitlines()


def collect(statedir: Path, keep: int) -> None:
    run(COLLECT, str(statedir), str(keep))


def last_snapshot(statedir: Path, container: str, component: str) -> Path:
    """What a module that restores is given: determineLastSnapshot."""
    links = statedir / "generations" / container / component
    number = max(int(path.name) for path in links.iterdir())
    return statedir / "snapshots" / container / component / (links / str(number)).readlink().name
