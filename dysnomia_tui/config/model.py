"""Where things are, and how the operator wants them: environment, platformdirs, ``config.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from dysnomia_base.records import dataclass, field
from dysnomia_base.secret import Secret
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import Policy


@dataclass(frozen=True, slots=True)
class ComponentSettings:
    """What config.toml says of one component, merged from general to particular."""

    policy: Policy = field(default_factory=Policy)
    labels: tuple[str, ...] = ()
    stale_after: timedelta | None = None
    """An age from which the newest good generation is worth an alarm; None: three times the usual distance."""


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Who is told what happens while nobody watches. An address is a secret: who knows it can send, or silence it."""

    command: tuple[str, ...] = ()
    """argv of a program that gets each message."""
    ping: Mapping[str, Secret | Path] = field(default_factory=dict)
    """By task of the schedule: the address that is told when it starts and how it ended, or a file that holds it."""
    apprise: tuple[Secret | Path, ...] = ()
    """Addresses as Apprise has them, and files with such."""
    time_limit: timedelta = timedelta(seconds=30)
    """For each of them."""


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Components that are one application: snapshotted and restored together."""

    components: tuple[ComponentKey, ...]
    """In the order in which they are restored."""
    before: tuple[str, ...] = ()
    """argv of a program that is run before anything is done (to stop the application, say)."""
    after: tuple[str, ...] = ()
    """argv of one that is run when all is over, however it ended, and as the clean-up of a job that was killed."""
    time_limit: timedelta = timedelta(seconds=60)
    """For each of them."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Another machine with this program."""

    name: str
    address: str
    """What ssh is called with: ``db1.example.org``, ``backup@10.0.0.7``, a name of the ssh configuration."""
    port: int | None = None
    labels: tuple[str, ...] = ()
    command: str = "dysnomia-tui"
    """How the program is called there: ``sudo dysnomia-tui``."""
    ssh: str = "ssh"
    """What it is called through; the demo has a stand-in."""


@dataclass(frozen=True, slots=True)
class GivenContainer:
    """A container that a command was given by path, or whose properties are the caller's environment."""

    file: Path | None = None
    """Its ``key=value`` lines; None where the environment holds its properties."""
    type: str = ""
    """The type of a container that names none itself."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the engine and the faces need to know of this machine and this user."""

    statedir: Path
    containers_path: tuple[Path, ...]
    components_path: tuple[Path, ...]
    modules_path: tuple[Path, ...]
    """Folders with modules that come before the types of the same name that are installed with the program."""
    user_config: Path
    """The folder where what this user adopts is written (``containers/``, ``components/``)."""
    libexec: tuple[Path, ...] = ()
    """Folders with modules that come after those: of a Dysnomia on this machine."""
    files: tuple[Path, ...] = ()
    """The config.toml files that were read, general first."""
    left_out: tuple[str, ...] = ()
    """Configuration files that are not obeyed, each in a sentence with the reason: others may write them."""
    read_only: bool = False
    jobs_at_once: int = 2
    grace: timedelta = timedelta(days=7)
    """How long what GC took stays in the trash."""
    grace_set: bool = False
    """Whether a configuration says so: what a command collects is freed at once where none does."""
    guard_hold: timedelta = timedelta(days=7)
    read_all_every: timedelta = timedelta(days=7)
    """For so long a snapshot of a tree reads only the files that changed; then all of them again."""
    compression: str = "zstd"
    level: int | None = None
    group: str = ""
    labels: tuple[str, ...] = ()
    """Of the whole machine: ``PROD``."""
    theme: str = ""
    zone: str = "server"
    """``server``, ``utc`` or ``relative``."""
    dim: bool | None = None
    """Whether what is around a window is darkened: each of its cells is written to the terminal for that. None: where
    the terminal is not at the other end of a network."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Action id -> keys, comma-separated."""
    compression_by_container: Mapping[str, str] = field(default_factory=dict)
    components: Mapping[str, ComponentSettings] = field(default_factory=dict)
    """By ``container/component``, ``container/*`` or ``*/*``."""
    schedule: Mapping[str, str] = field(default_factory=dict)
    """By what is done (``snapshot``, ``collect``, ``check``, ``status``) when: a calendar expression of systemd, or
    ``""`` for never."""
    collect_mode: str = "apply"
    """``apply``, or ``review``: a timer's collection is planned and waits for a person."""
    schedule_on_failure: tuple[str, ...] = ()
    """Units that are started where one of them fails."""
    schedule_metrics: Path | None = None
    """Where a timer's ``status`` puts its metrics."""
    notify: NotifySettings = field(default_factory=NotifySettings)
    groups: Mapping[str, GroupSettings] = field(default_factory=dict)
    """Applications, by name."""
    hosts: Mapping[str, HostSettings] = field(default_factory=dict)
    """Other machines, by name."""
    ansible_inventory: Path | None = None
    """Where more of them are named."""
    ssh_hosts: Path | None = None
    """An ssh configuration whose hosts are taken."""
    exposed: tuple[str, ...] = ()
    """Configuration files with a secret that others may read, each in a sentence."""
    discovers: bool = True
    """Whether state that is not configured is looked for on this machine: not in the demo."""
    given_containers: Mapping[str, GivenContainer] = field(default_factory=dict)
    """By name: what a command's own arguments say comes before the search path."""
    given_components: Mapping[str, Path] = field(default_factory=dict)
    """By ``container/component``."""

    def component(self, container: str, component: str) -> ComponentSettings:
        """The most particular settings that apply."""
        return component_settings(self.components, container, component)


def component_settings(
    components: Mapping[str, ComponentSettings], container: str, component: str
) -> ComponentSettings:  # fmt: skip
    """The most particular of them that apply."""
    for pattern in (f"{container}/{component}", f"{container}/*", "*/*"):
        if pattern in components:
            return components[pattern]
    return ComponentSettings()


def labels_of(settings: Settings, key: ComponentKey) -> tuple[str, ...]:
    """The machine's labels and the component's own."""
    return tuple(dict.fromkeys((*settings.labels, *settings.component(key.container, key.component).labels)))
