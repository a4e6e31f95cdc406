"""What is read of a component's files for xinetd."""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.xinetd.services import Service, Services
from dysnomia_store.names import ComponentKey


def test_what_is_read_of_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "xinetd.d"
    folder.mkdir(parents=True)
    text = "service time\n{\n type = INTERNAL\n id = t\n socket_type = dgram\n}\nservice rstatd\n{\n type = RPC\n}\n"
    (folder / "one").write_text(text + "service no-such-name\n{\n}\nservice off\n{\n disable = yes\n}\n")
    component = Component(ComponentKey("inetd", "one"), tmp_path, {})
    found = Services.of(component)
    assert found.enabled == (Service("time", ("udp", 37)), Service("rstatd", None), Service("no-such-name", None))
    assert found.ports == {("udp", 37)}
    (folder / "one.conf").write_text("")
    with pytest.raises(PluginError, match="xinetd does not read"):
        Services.of(component)
