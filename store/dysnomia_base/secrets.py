"""Which properties and variables hold a secret, and the one redactor that takes secrets out of texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from dysnomia_base.patterns import pattern
from dysnomia_base.secret import HIDDEN as HIDDEN

SHORTEST = 3
"""A shorter value is not taken out of texts: it would tear holes into every one."""
_WHOLE = 4
"""A value shorter than this is taken out only where it is a word of its own."""

_WORDS = pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_URL = pattern(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s/:@]*:)(?P<secret>[^\s/@]+)(?=@)", re.IGNORECASE)
_PAIR = pattern(
    r"(?P<before>(?:^|[\s?&;,])[\w.-]*(?:password|passwd|passphrase|pwd|token|secret|apikey|api_key|api-key)=)"
    r"(?P<secret>'[^']+'|\"[^\"]+\"|[^\s&;,'\"]+)",
    re.IGNORECASE,
)
"""``password=…`` of a connection string, ``token=…`` of a URL's query."""
_SECRET = frozenset({"passwords", "passcode", "secrets", "tokens", "creds", "masterauth", "auth", "dsn"})
_ENDS = ("pass", "passwd", "pwd", "pw", "token", "apikey", "privkey")
_ANYWHERE = ("password", "passphrase", "secret", "credential")
_KEYS = tuple(f"{kind}key" for kind in (
    "private", "api", "secret", "access", "encryption", "signing", "master", "shared", "session", "app",
))  # fmt: skip
_NO_SECRET = frozenset({"bypass", "compass", "encompass", "overpass", "underpass"})
_ELSEWHERE = frozenset({
    "file", "files", "path", "paths", "dir", "folder", "name", "names", "user", "username", "method", "type", "socket",
    "host", "port", "length", "ttl", "lifetime", "expiry", "timeout", "age", "enabled", "enable", "required", "policy",
    "id", "url", "plugin", "command", "helper", "algorithm", "encoding", "format", "mode", "count", "limit",
})  # fmt: skip
"""Last words of names that say where a secret is, or of what kind, and do not hold it."""
_TRIVIAL = frozenset({"true", "false", "none", "null", "default", "required", "optional", "enabled", "disabled"})


def is_secret(name: str) -> bool:
    """Whether a property or variable of this name holds a secret: told by the words of the name, in camelCase,
    snake_case or capitals. What names the *file* of a secret holds none."""
    words = [word.lower() for word in _WORDS.findall(name) if not word.isdigit()]
    if not words or name in ("PWD", "OLDPWD") or words[-1] in _ELSEWHERE or words[-1].endswith(("file", "path", "dir")):
        return False
    for word in words:
        if word in _SECRET or (word.endswith(_ENDS) and word not in _NO_SECRET):
            return True
    whole = "".join(words)
    return any(part in whole for part in (*_ANYWHERE, *_KEYS))


def shown(name: str, value: str) -> str:
    """A property's value as an operator may see it: hidden where the name says so, and the password of a URL or a
    connection string."""
    if is_secret(name):
        return HIDDEN
    for one in (_URL, _PAIR):
        value = one.sub(rf"\g<before>{HIDDEN}", value)
    return value


def secrets_of(properties: Mapping[str, str | tuple[str, ...]]) -> tuple[str, ...]:
    """The secret texts among properties or variables, long enough to be taken out of others."""
    secrets: list[str] = []
    for name, value in properties.items():
        values = [value] if isinstance(value, str) else value
        if is_secret(name):
            secrets.extend(values)
        else:
            matches = (match for text in values for one in (_URL, _PAIR) for match in one.finditer(text))
            secrets.extend(match["secret"].strip("'\"") for match in matches)
    return tuple(secret for secret in secrets if len(secret) >= SHORTEST and secret.lower() not in _TRIVIAL)


class Redactor:
    """Takes known secrets out of texts. Longest first, so that a secret within another leaves no rest."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True)
        self._secrets = tuple(known)
        self._pattern = re.compile("|".join(map(_pattern, known))) if known else None

    def hide(self, text: str) -> str:
        """The text without secrets, and with whatever else is in it."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def redact(self, raw: bytes) -> str:
        """The text of ``raw``, with every secret replaced; bytes that are no UTF-8 are escaped."""
        secrets = (_escaped(secret.encode("utf-8", "surrogateescape")) for secret in self._secrets)
        return Redactor(secrets).hide(_escaped(raw))


def _escaped(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _pattern(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) >= _WHOLE else rf"(?<!\w){escaped}(?!\w)"
