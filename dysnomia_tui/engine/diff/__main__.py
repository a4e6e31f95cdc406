"""``python -m dysnomia_tui.engine.diff``: the comparing process. Started by ``handle.start_diff``, never by hand."""

from __future__ import annotations

import sys

from dysnomia_tui.engine.diff.child import main

if __name__ == "__main__":
    sys.exit(main())
