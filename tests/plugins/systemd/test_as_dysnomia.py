"""Which units of a component are started, where Dysnomia's own module decides between several."""

from __future__ import annotations

import pytest

from tests.plugins.systemd.machine import SystemdMachine
from tests.plugins.systemd.test_unit import LOOP, Units

pytestmark = [pytest.mark.server, pytest.mark.worlds, pytest.mark.xdist_group("systemd")]


@pytest.fixture
def units(systemd: SystemdMachine) -> Units:
    return Units(systemd)


def test_of_a_socket_and_a_timer_for_one_service_the_socket_is_started(units: Units) -> None:
    """As in Dysnomia; a timer for a service of another name is started besides, which there nothing starts."""
    units.make(
        "both",
        **{
            "both.socket": "[Socket]\nListenStream=/run/both.sock\n",
            "both.timer": "[Timer]\nOnActiveSec=1h\n",
            "both.service": LOOP,
            "other.timer": "[Timer]\nOnActiveSec=1h\nUnit=both.service\n",
        },
    )
    units.dysnomia("activate", "both")
    started = {name.rpartition("/")[2] for name in units.links() if name.startswith("dysnomia.target.wants/")}
    assert started == {"both.socket", "other.timer"}
    shown = {name: units.show(name, "ActiveState") for name in ("both.socket", "both.timer", "other.timer")}
    assert shown == {"both.socket": "active", "both.timer": "inactive", "other.timer": "active"}
    units.dysnomia("deactivate", "both")
    assert units.links() == set()
