"""git through the cases of repositories and others on the machine."""

from __future__ import annotations

from typing import ClassVar

import pytest

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.repositories.files import refuse_rights
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.types.git import activation, load
from dysnomia_store.model import CheckResult
from dysnomia_tui.engine.component import activities, check
from tests.plugins.conformance.driver import Driver
from tests.plugins.git.world import GitWorld
from tests.plugins.other_user import needs_root
from tests.plugins.repository_cases import RepositoryCases

pytestmark = pytest.mark.server
WORLD = GitWorld


class TestGitRights(RepositoryCases):
    load: ClassVar = load
    activation: ClassVar = activation
    data: ClassVar = "objects"
    held: ClassVar = "objects/pack"
    last_made: ClassVar = "hand_over_own"

    @pytest.mark.parametrize("name", ["commondir", "gitdir", "reftable"])
    def test_what_leads_git_elsewhere_is_not_even_proved(self, name: str) -> None:
        with pytest.raises(NotSafe, match=f"{name}.* is a file that names another repository"):
            refuse_rights(Member(Kind.FILE, f"{name}/x" if name == "reftable" else name), load.ELSEWHERE)

    @needs_root
    def test_a_repository_that_leads_elsewhere_is_not_proved(
        self, world: GitWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.seed()
        (world.live / "gitdir").write_text("/root\n")
        number = driver.snapshot().generation.number
        assert activities.verify(driver.bench(), number).result is CheckResult.OK
        monkeypatch.setattr(check, "made_here", lambda *_: False)
        with pytest.raises(NotSafe, match="gitdir is a file that names another repository"):
            activities.verify(driver.bench(), number)
