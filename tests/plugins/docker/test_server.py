"""The dockerd of the tests itself: containers run, volumes are folders that this machine sees, and nothing stays."""

from __future__ import annotations

from pathlib import Path

from tests.plugins.servers.docker import CGROUPS, DockerServer


def test_a_container_writes_into_a_volume_that_is_seen_here(dockerd: DockerServer) -> None:
    dockerd.docker("volume", "create", "seen")
    dockerd.run("writer", "--volume", "seen:/data")
    try:
        dockerd.docker("exec", "writer", "sh", "-c", "echo hello > /data/file")
        folder = Path(dockerd.docker("volume", "inspect", "--format", "{{.Mountpoint}}", "seen"))
        assert (folder / "file").read_text() == "hello\n"
    finally:
        dockerd.docker("rm", "--force", "writer")
        dockerd.docker("volume", "rm", "seen")


def test_nothing_of_it_stays() -> None:
    with DockerServer() as server:
        server.busybox()
        server.run("left", "--volume", "left:/data")
        init = server.init
        home = server.home
        assert [folder for folder in (CGROUPS, *CGROUPS.iterdir()) if (folder / home.name).exists()]
    assert not home.exists()
    assert not Path(f"/proc/{init}").exists()
    assert not [folder for folder in (CGROUPS, *CGROUPS.iterdir()) if (folder / home.name).exists()]
