"""Former name of ``dysnomia_plugins.interface.context``; works until version 0.4.

Plugins import from ``dysnomia_plugins.base``.
"""

from __future__ import annotations

import warnings

from dysnomia_plugins.interface.context import *  # noqa: F403

warnings.warn(
    "dysnomia_plugins.context is dysnomia_plugins.interface.context now, and this name goes in version 0.4: "
    "import from dysnomia_plugins.base",
    DeprecationWarning,
    stacklevel=2,
)
