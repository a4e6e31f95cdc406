"""One etcd, and which of its keys a component is: from the container's properties.

``etcdEndpoints`` (http://127.0.0.1:2379; several members of one cluster, separated by commas or as an array).
``etcdUser``, ``etcdPassword`` or ``etcdPasswordFile``, where it asks for an account. For https ``etcdCaFile`` (else the
system's authorities), ``etcdCertFile`` and ``etcdKeyFile``. ``etcdPrefix`` (``/%/``, with the component's name for the
``%``): what the component's keys begin with; without a ``%`` the container has one component. ``etcdWhole=true``: the
component is all keys there are. ``etcdCopiesDir``: where files of a restore are put beside (``spool.py``).

Nothing else counts: neither the variables of etcdctl (``ETCDCTL_…``) nor those of proxies.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from dysnomia_plugins.base import Component, PropertyValue
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.interface.context import single
from dysnomia_plugins.toolkit.copies import folder_of_copies
from dysnomia_plugins.toolkit.guarded.acting import acting_as
from dysnomia_plugins.toolkit.guarded.named_file import password_in, reader_of
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import validate_name

ENDPOINT = "http://127.0.0.1:2379"
PORT = 2379
PREFIX = "/%/"
ROOT_COPIES = "/var/lib/dysnomia-etcd"
COPIES = ".local/state/dysnomia-etcd"
_YES, _NO = ("true", "yes", "1"), ("", "false", "no", "0")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a member answers."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, text: str) -> Self:
        """Of a URL, or ``host:port``. Raises PluginError."""
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            port = parts.port or PORT
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise PluginError("etcdEndpoints has what is not an address", f"write each as {ENDPOINT}")
        if parts.username is not None:
            raise PluginError("etcdEndpoints has an account in an address", "set etcdUser and etcdPassword")
        return cls(parts.hostname, port, parts.scheme == "https")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Server:
    """A server or cluster, and who we are on it."""

    endpoints: tuple[Endpoint, ...]
    user: str = ""
    password: str = field(default="", repr=False)
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    prefix: str = PREFIX
    whole: bool = False
    copies: str = ROOT_COPIES

    @classmethod
    def of(cls, component: Component) -> Self:
        """Raises PluginError where its properties make no sense."""
        return cls.from_properties(component.properties)

    @classmethod
    def from_properties(cls, properties: Mapping[str, PropertyValue]) -> Self:
        """Raises PluginError where they make no sense."""
        named = properties.get("etcdEndpoints", "") or ENDPOINT
        texts = ",".join([named] if isinstance(named, str) else named).split(",")
        values = {name: single(properties, f"etcd{name}") for name in (
            "User", "Password", "PasswordFile", "CaFile", "CertFile", "KeyFile", "CopiesDir",
        )}  # fmt: skip
        whole = single(properties, "etcdWhole").lower()
        if whole not in (*_YES, *_NO):
            raise PluginError(f"etcdWhole is {whole!r}", "set it to true or false")
        prefix = single(properties, "etcdPrefix")
        if whole in _YES and prefix:
            raise PluginError("etcdWhole and etcdPrefix are both set", "leave one of them")
        if bool(values["CertFile"]) != bool(values["KeyFile"]):
            raise PluginError("of etcdCertFile and etcdKeyFile one is not set", "set both")
        if (values["Password"] or values["PasswordFile"]) and not values["User"]:
            raise PluginError("a password is set for etcd, and no etcdUser", "set etcdUser")
        return cls(
            endpoints=tuple(Endpoint.of(text.strip()) for text in texts if text.strip()),
            user=values["User"],
            password=values["Password"],
            password_file=values["PasswordFile"],
            ca_file=values["CaFile"],
            cert_file=values["CertFile"],
            key_file=values["KeyFile"],
            prefix=prefix or PREFIX,
            whole=whole in _YES,
            copies=values["CopiesDir"] or folder_of_copies(ROOT_COPIES, COPIES),
        )

    def __str__(self) -> str:
        return ", ".join(map(str, self.endpoints))

    @property
    def location(self) -> str:
        """The same for every way to write the endpoints down."""
        names = {"localhost": "127.0.0.1"}
        return ",".join(sorted(f"{names.get(one.host, one.host)}:{one.port}" for one in self.endpoints))

    # Which keys.

    def live(self, component: str) -> str:
        """What all keys of a component begin with."""
        return "" if self.whole else self.prefix.replace("%", component)

    def copy(self, component: str, name: str) -> str:
        """The same of a copy. Raises NotSafe where keys of the two would be mixed, or it cannot be called so."""
        try:
            validate_name(name, "copy")
        except NameRejected as error:
            raise NotSafe(error.message, error.hint) from error
        prefix = (self.prefix if "%" in self.prefix and not self.whole else PREFIX).replace("%", name)
        live = self.live(component)
        if prefix != live and (prefix.startswith(live) or live.startswith(prefix)):
            raise NotSafe(
                f"the keys of a copy ({prefix}) would be among those of {live or 'the whole server'}",
                "choose another name, or a container of another server",
            )
        return prefix

    # Secrets and certificates.

    def secret(self) -> str:
        """Raises PluginError where its file cannot be read, NotSafe where it may not."""
        if self.password or not self.password_file:
            return self.password
        return password_in(self.password_file, "etcdPasswordFile")

    def tls(self) -> ssl.SSLContext:
        """For endpoints with https. Raises PluginError, NotSafe."""
        made = ssl.create_default_context()
        if self.ca_file:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._load(self.ca_file, "etcdCaFile", lambda: made.load_verify_locations(self.ca_file))
        if self.cert_file:
            self._load(self.cert_file, "etcdCertFile", lambda: None)
            chain = (self.cert_file, self.key_file, _no_passphrase)
            self._load(self.key_file, "etcdKeyFile", lambda: made.load_cert_chain(*chain))
        return made

    def _load(self, path: str, setting: str, load: Callable[[], None]) -> None:
        with acting_as(reader_of(path, setting)):
            try:
                load()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "it is not in PEM format, or has a passphrase"
                raise PluginError(f"{path} cannot be used ({reason})", f"check {setting}") from None


def _no_passphrase() -> str:
    """OpenSSL would ask on the terminal."""
    return ""
