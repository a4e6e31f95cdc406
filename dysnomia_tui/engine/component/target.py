"""Where a restore goes. Apart from the restore, which is not needed to plan or to submit one."""

from __future__ import annotations

from dysnomia_base.records import dataclass


@dataclass(frozen=True)
class RestoreTarget:
    """Where a restore goes."""

    kind: str = "replace"
    """``replace``, ``copy`` or ``sections`` (some sections into a copy)."""
    name: str = ""
    """The copy's name."""
    sections: tuple[str, ...] = ()
    """``kind:name`` of the sections."""
    container: str = ""
    """Of a copy: the container that it is made in, where that is another than the component's own."""

    @property
    def where(self) -> str:
        """The copy's name, with its container where that is another."""
        return f"{self.name} in container {self.container}" if self.container else self.name
