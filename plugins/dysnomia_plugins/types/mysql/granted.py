"""What an account may do, as SHOW GRANTS tells it: of a role, too, that is on by default."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dysnomia_plugins.types.mysql.names import unquoted

_NAME = rb"\*|`(?:[^`]|``)*+`"
_GRANT = re.compile(rb"GRANT (.+?) ON (" + _NAME + rb")\.(" + _NAME + rb") TO ")
_IN_COLUMNS = re.compile(rb"\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Scope:
    """On what something was granted; ``*`` for all."""

    database: str
    """A pattern, as GRANT takes it, unless a table is named."""
    table: str

    @property
    def everything(self) -> bool:
        return self.database == self.table == "*"

    def covers(self, database: str, table: str) -> bool:
        if self.table != "*":
            return (self.database, self.table) == (database, table)
        return self.everything or _matches(self.database, database)


def scopes(grants: Sequence[bytes], privilege: str) -> list[Scope]:
    """On what the lines of SHOW GRANTS give a right. A right on some columns alone is none."""
    scopes = []
    for line in grants:
        match = _GRANT.match(line)
        if match is None:
            continue
        given = {one.strip() for one in _IN_COLUMNS.sub(b"()", match[1]).split(b",")}
        if given & {privilege.encode(), b"ALL PRIVILEGES"}:
            scopes.append(Scope(unquoted(match[2]), unquoted(match[3])))
    return scopes


def _matches(pattern: str, name: str) -> bool:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.fullmatch("".join(wild.get(one) or re.escape(one[-1]) for one in parts), name, re.DOTALL) is not None
