"""Former name of ``dysnomia_plugins.interface.records``; works until version 0.4.

Plugins import from ``dysnomia_plugins.base``.
"""

from __future__ import annotations

import warnings

from dysnomia_plugins.interface.records import *  # noqa: F403

warnings.warn(
    "dysnomia_plugins.exchanged is dysnomia_plugins.interface.records now, and this name goes in version 0.4: "
    "import from dysnomia_plugins.base",
    DeprecationWarning,
    stacklevel=2,
)
