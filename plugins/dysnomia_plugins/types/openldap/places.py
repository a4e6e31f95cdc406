"""Where a directory's database stands: the folder that the server's configuration names, and in it ``data.mdb``.

A place is a folder with a ``data.mdb``. Live is the folder of the configuration; what a job makes stands in a folder of
its own in that one, ``.dysnomia-<tag>-<purpose>/database``: always on the same file system, also where live is a mount
point. Only ``data.mdb`` is exchanged: the folder with its owner and mode, and whatever else is kept in it, stay.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from dysnomia_plugins.base import Place, Purpose
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.acting import Actor
from dysnomia_plugins.toolkit.guarded.folder import PRIVATE_FOLDER, Folder, hand_over
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.way import others_in, others_on_the_way, real_path
from dysnomia_plugins.toolkit.repositories.places import make_wrapper, remove_wrapper, wrapper_made, wrapper_of
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

DATA = "data.mdb"
LOCK = "lock.mdb"
COPY = "copy"
_DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one component."""

    folder: str
    """Live, without links: those that nobody else could have made are followed."""

    @classmethod
    def of(cls, folder: str) -> Layout:
        """Raises PluginError, NotSafe for a link of others."""
        try:
            return cls(real_path(folder, setting="olcDbDirectory (directory)"))
        except OSError as error:
            raise PluginError(f"{folder} cannot be opened ({error.strerror})", "run it as root") from error

    @property
    def live(self) -> Place:
        return Place(self.folder)

    def made(self, tag: str, purpose: Purpose | str) -> Place:
        """The place a job uses for a purpose."""
        return Place(f"{self.folder}/.dysnomia-{tag}-{purpose}/{_DATABASE}")

    def named(self, name: str) -> Place:
        """The place of a copy: a folder in live's. Raises PluginError."""
        try:
            validate_name(name, "copy")
        except NameRejected as error:
            raise PluginError(error.message, error.hint) from error
        if name in (DATA, LOCK):
            raise PluginError(f"{name!r} is a file of the live database", "choose another name for the copy")
        return Place(f"{self.folder}/{name}")

    def actor(self) -> Actor | None:
        """As whom OpenLDAP's programs run: whose live's folder is, as the server does. None: as ourselves.

        Never as root where anybody else could change what they read or obey. Raises PluginError."""
        if os.geteuid() != 0:
            return None
        try:
            with Folder.at(self.folder) as folder:
                seen, others = folder.stat(), others_in(folder.descriptor)
            if seen.st_uid != 0:
                return Actor.of(seen.st_uid, seen.st_gid)
            others = others or others_on_the_way(self.folder)
        except FileNotFoundError:
            raise PluginError(
                f"the folder of the database, {self.folder}, is not there", "make it, and give it to the server's user"
            ) from None
        except OSError as error:
            raise PluginError(f"{self.folder} cannot be opened ({error.strerror})", "run it as root") from error
        if others is not None:
            raise PluginError(
                f"{self.folder} belongs to root, and {others} may write there: nothing of it is run as root",
                "give the folder to the server's user (chown openldap)",
            )
        return None


def data_at(place: Place) -> str:
    """The path of a place's database file."""
    return f"{place.name}/{DATA}"


def has_data(place: Place) -> bool:
    """Whether there is a database at a place. Raises PluginError where that cannot be seen."""
    try:
        with Folder.at(place.name) as folder:
            return folder.seen(DATA) is not None
    except (FileNotFoundError, LinkInTheWay):
        return False
    except OSError as error:
        raise PluginError(f"{place.name} cannot be opened ({error.strerror})", "run it as root") from error


def begin(place: Place, actor: Actor | None) -> Folder:
    """An empty folder for a database, its owner's alone. Raises NotSafe, FileExistsError, OSError."""
    make_wrapper(place)
    with Folder.at(wrapper_made(place)) as wrapper:
        made = wrapper.make_folder(_DATABASE)
        try:
            if actor is not None:
                hand_over(made.descriptor, actor.uid, actor.gid, PRIVATE_FOLDER)
        except BaseException:
            made.close()
            raise
        return made


def begun(place: Place, actor: Actor | None) -> None:
    """Have the folder of a place, empty or not. Raises NotSafe, OSError."""
    make_wrapper(place)
    with Folder.at(wrapper_made(place)) as wrapper:
        holds_data = wrapper.seen(_DATABASE) is not None
    if not holds_data:
        begin(place, actor).close()


def tidy(*places: Place) -> None:
    """Remove what stands around places that hold no database. Raises PluginError."""
    for place in places:
        if wrapper_of(place) and not has_data(place):
            remove_wrapper(place)
