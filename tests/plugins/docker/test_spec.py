"""Variables of a container of the type docker-container that Docker cannot be given."""

from __future__ import annotations

import pytest

from dysnomia_plugins.errors import BadProperties
from dysnomia_plugins.types.docker.spec import ContainerSpec


@pytest.mark.parametrize("word", ["=never", "#X=never", "a b=never", "PATH=never\udcff", "PATH=never\r"])
def test_a_variable_that_docker_cannot_be_given_is_refused_without_its_value(word: str) -> None:
    spec = ContainerSpec("dysnomia-x", "", "x:1", ("-e", word), 1, stateless=True)
    with pytest.raises(BadProperties) as caught:
        spec.created("l=1")
    assert "never" not in str(caught.value) + caught.value.hint
