"""Former name of ``dysnomia_plugins.interface.status``; works until version 0.4.

Plugins import from ``dysnomia_plugins.base``.
"""

from __future__ import annotations

import warnings

from dysnomia_plugins.interface.status import *  # noqa: F403

warnings.warn(
    "dysnomia_plugins.status is dysnomia_plugins.interface.status now, and this name goes in version 0.4: "
    "import from dysnomia_plugins.base",
    DeprecationWarning,
    stacklevel=2,
)
