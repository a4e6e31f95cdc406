"""SCRAM-SHA-256 as a server speaks it (RFC 5802, RFC 7677)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass

ROUNDS = 4096


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


@dataclass
class Login:
    """One conversation."""

    passwords: Mapping[str, str]
    """Of all accounts."""
    user: str = ""
    """Whose it is, when it has begun."""
    _first: bytes = b""
    _said: bytes = b""
    _salt: bytes = b""

    def begin(self, payload: bytes) -> bytes | None:
        """The server's first message; None for another user."""
        self._first = payload.removeprefix(b"n,,")
        fields = dict(part.split(b"=", 1) for part in self._first.split(b","))
        self.user = fields[b"n"].decode()
        if self.user not in self.passwords:
            return None
        self._salt = os.urandom(16)
        nonce = fields[b"r"] + base64.b64encode(os.urandom(18))
        self._said = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(self._salt), ROUNDS)
        return self._said

    def end(self, payload: bytes) -> bytes | None:
        """The server's last message; None for a wrong password."""
        without, _, proof = payload.rpartition(b",p=")
        salted = hashlib.pbkdf2_hmac("sha256", self.passwords[self.user].encode(), self._salt, ROUNDS)
        known = hashlib.sha256(_mac(salted, b"Client Key")).digest()
        whole = b",".join((self._first, self._said, without))
        client = bytes(a ^ b for a, b in zip(base64.b64decode(proof), _mac(known, whole), strict=True))
        if hashlib.sha256(client).digest() != known:
            return None
        return b"v=" + base64.b64encode(_mac(_mac(salted, b"Server Key"), whole))
