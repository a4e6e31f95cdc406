"""Which addresses a message may be sent to."""

from __future__ import annotations

from urllib.parse import urlsplit


def why_not_http(text: str) -> str:
    """Why a text is not an address that may be pinged, or ``""``. The text is a secret and not repeated."""
    if not text.isascii() or not text.isprintable() or " " in text:
        return "expected an address in ASCII without spaces"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "expected an address such as https://host/path"
    if parts.scheme not in ("http", "https") or not host:
        return "expected an http or https address, or the absolute path of a file that holds one"
    if "@" in parts.netloc:
        return "expected an address without a user and password in it"
    return ""
