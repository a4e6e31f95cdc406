"""Secrets in definitions: what a parameter or an argument holds, as an operator may see it.

Parameters of federations and shovels hold addresses with an account in them. What stands between ``://`` and the last
``@`` is hidden whole: a password may hold what no address should.
"""

from __future__ import annotations

import re
from typing import Any

from dysnomia_base.secrets import HIDDEN, is_secret, shown

_ACCOUNT = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://)[^\s\"']*@")


def hide(text: str) -> str:
    """A text without the accounts of addresses in it."""
    return shown("", _ACCOUNT.sub(rf"\g<before>{HIDDEN}@", text))


def hidden(name: str, value: Any) -> Any:
    """A value as it may be seen, whatever it holds."""
    if isinstance(value, dict):
        return {key: hidden(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hidden(name, inner) for inner in value]
    if is_secret(name) and value is not None and not isinstance(value, bool):
        return HIDDEN
    return hide(value) if isinstance(value, str) else value
