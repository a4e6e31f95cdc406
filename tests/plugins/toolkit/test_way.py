"""Who besides root and the caller may change what is in a folder."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from dysnomia_plugins.toolkit.guarded.way import others_in


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_group_of_ones_own_is_private_until_it_is_another_users_own_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = pwd.getpwnam("daemon")
    os.chown(tmp_path, caller.pw_uid, caller.pw_gid)
    tmp_path.chmod(0o770)
    monkeypatch.setattr(os, "geteuid", lambda: caller.pw_uid)
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        assert others_in(descriptor) is None
        other = pwd.struct_passwd(("other", "x", 4321, caller.pw_gid, "", "/", "/bin/sh"))
        monkeypatch.setattr(pwd, "getpwall", lambda: [caller, other])
        assert str(others_in(descriptor)) == "group daemon"
    finally:
        os.close(descriptor)
