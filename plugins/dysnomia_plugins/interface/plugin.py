"""What every type can do, whether it holds state or not: be deployed, probed and discovered."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from dysnomia_base.plurals import with_article
from dysnomia_plugins.interface.context import Component, Context, Runner
from dysnomia_plugins.interface.records import Found, ListedState, Probe
from dysnomia_plugins.interface.status import Status

_FORMER_NAMES = {"take_back": "rollback_activation", "whereabouts": "location"}
"""What methods were called until version 0.2; these names work until 0.4."""


class Plugin(ABC):
    """A type that can be deployed. A type that holds state is a ``StatePlugin``."""

    type: ClassVar[str]
    title: ClassVar[str]
    """In words, for the screen."""
    tools: ClassVar[tuple[str, ...]] = ()
    """Client programs it needs."""
    packages: ClassVar[Mapping[str, str]] = {}
    """The Debian package of a tool, where it is not called as the tool is."""
    alternatives: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Other programs that do in a tool's place."""
    tool_folders: ClassVar[tuple[str, ...]] = ()
    """Folders besides the PATH in which it finds its tools, as patterns."""
    property_names: ClassVar[tuple[str, ...]] = ()
    """The properties of a container that it reads: what is like one of them, and is none, is named as a slip. Empty
    where that is not known, and then nothing is."""
    stateless: ClassVar[str] = ""
    """Of a type that holds no state: why there is nothing to snapshot, and where what it works on is kept."""

    def __init_subclass__(cls, **options: object) -> None:
        """Let a class that was written with the former names be called by today's names, and the other way round.

        Whichever name comes first in the order of its bases counts, so that a mixin with a former name does too."""
        super().__init_subclass__(**options)
        for former, name in _FORMER_NAMES.items():
            home = next(base for base in cls.__mro__ if former in base.__dict__ or name in base.__dict__)
            if name not in home.__dict__:
                setattr(cls, name, home.__dict__[former])
                text = f"{cls.__qualname__}.{former} is called {name} now, and the former name goes in version 0.4"
                warnings.warn(text, DeprecationWarning, stacklevel=3)
            elif former not in home.__dict__:
                setattr(cls, former, home.__dict__[name])

    def activities(self) -> frozenset[str]:
        """Names of the activities that the type has."""
        return frozenset({"activate", "deactivate"})

    def for_component(self, component: Component) -> Plugin:
        """Return what works on this component: itself, unless components of the type differ in what they are (one with
        state, one without). Quick, and raises nothing: it is asked for whatever is shown of a component.

        A type some of whose components hold state is a ``StatePlugin``, and returns another plugin of the same
        ``type`` for those that hold none."""
        return self

    @abstractmethod
    def activate(self, ctx: Context) -> None:
        """Put the component into service; create its initial state if it has no state yet. Idempotent.

        Raises PluginError, Cancelled: then ``rollback_activation`` (or ``recover``) is called."""

    @abstractmethod
    def deactivate(self, ctx: Context) -> None:
        """Take the component out of service and keep its state. Idempotent. Raises PluginError, Cancelled."""

    def leaves_garbage(self, component: Component) -> bool:
        """Whether what a deactivation leaves on this machine is garbage, for ``collect_garbage``: of a type without
        state that has ``collect-garbage`` among its activities. Raises PluginError."""
        return False

    def deactivation_in_words(self, component: Component) -> str:
        """Return what a deactivation does to what the component holds, for its plan. Raises PluginError."""
        return "it holds no state that could be lost"

    def collect_garbage(self, ctx: Context) -> None:
        """Delete what a deactivated component left. Idempotent. Raises PluginError; Unsupported if the type leaves
        nothing."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(f"{with_article(self.title)} leaves nothing to be collected")

    def rollback_activation(self, ctx: Context) -> None:
        """Remove what an activation made that failed, was cancelled or died: its journal names it.

        For types without state; one that holds state has ``recover``. Never cancelled; idempotent. Raises PluginError:
        then the next job on the component tries again."""

    def lock(self, ctx: Context) -> None:
        """Block upgrades, or raise PluginError if one must not begin now. The default allows it."""

    def unlock(self, ctx: Context) -> None:
        """Release what ``lock`` blocked: the upgrade has ended."""

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """Return argv and environment of the server's own client for this component. Secrets in the environment only.

        Raises Unsupported if the type has no client."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(f"{self.title} has no shell of its own")

    def hints(self, component: Component) -> Sequence[str]:
        """Return lines to show to an operator who opens a shell on this component. No secrets."""
        import shlex

        from dysnomia_base.secrets import Redactor, secrets_of
        from dysnomia_plugins.errors import PluginError, Unsupported

        hide = Redactor(secrets_of(component.properties)).hide
        try:
            argv, _ = self.shell(component)
        except Unsupported:
            return ()
        except PluginError as error:
            return (hide(f"its own client cannot be run now: {error.message}"),)
        return (hide(f"its own client: {shlex.join(argv)}"),)

    def probe(self, component: Component, runner: Runner) -> Probe:
        """Return whether the component is up, with version, size (bytes) and clients as far as known.

        Runs in a process of its own, which is killed after two seconds. A server that is down is a result, not an
        error."""
        return Probe(up=True)

    def status(self, component: Component, runner: Runner) -> Status:
        """Return the component's condition and last log lines. Called after ``probe``, within the same two seconds."""
        return Status()

    def discover(self, runner: Runner) -> Iterable[Found]:
        """Yield state on this machine that the type could manage. Raises nothing.

        What cannot be read is yielded with ``readable`` False and, as ``remedy``, the command that would read it."""
        return ()

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        """Return all that the container's server or folder holds, for a container with ``components=*``.

        ``container`` has its name and properties, and no component's name. Never what a job made, nor what is the
        server's own. Raises PluginError where that cannot be told for certain, Unsupported if the type cannot tell:
        what is missing in the answer counts as dropped."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(
            f"a container of type {self.type} cannot have components=*: what it holds cannot be listed",
            "take that line out of its file, and name each component",
        )

    def location(self, component: Component) -> tuple[str, ...]:
        """Return where the component's state is, normalized: equal for two components with the same state, whatever
        their containers are called. ``discover`` leaves out state whose location is configured already.

        The default is the component's name and every property, unchanged."""
        properties = (f"{name}={component.properties[name]}" for name in sorted(component.properties))
        return (component.key.component, *properties)

    take_back = rollback_activation
    whereabouts = location
