"""The process that sends over the network: reads what and where as JSON on standard input, answers how it went.

Its answer never holds an address. It has its own limit besides the one of whoever started it.
"""

from __future__ import annotations

import http.client
import json
import logging
import signal
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

AGENT = "dysnomia-tui"
TOLD = 100_000
"""Bytes of a text that a healthchecks server keeps (https://healthchecks.io/docs/http_api/)."""
INSTALL = "pip install 'dysnomia-tui[notify]'"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow none: a redirect could lead the address, a secret, to another host or out of TLS."""

    def redirect_request(self, *_: Any) -> None:
        return None


def main() -> int:
    what = json.load(sys.stdin)
    signal.setitimer(signal.ITIMER_REAL, what["limit"])  # a server may answer a byte a minute: its default is to end us
    error, hint = ping(what) if what["how"] == "ping" else apprise(what)
    json.dump({"error": error, "hint": hint}, sys.stdout)
    return 0


def ping(what: Mapping[str, Any]) -> tuple[str, str]:
    """POST a text to an address of healthchecks' kind. Returns what went wrong and what to do, or ``("", "")``."""
    request = urllib.request.Request(
        signalled(what["url"], what["signal"]),
        data=what["text"].encode("utf-8", "replace")[:TOLD],
        headers={"User-Agent": AGENT, "Content-Type": "text/plain; charset=utf-8"},
        method="POST",
    )
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(), _NoRedirect(),
    ):  # fmt: skip
        opener.add_handler(handler)
    try:
        with opener.open(request, timeout=what["limit"]) as answer:
            answer_text = answer.read(64).decode("ascii", "replace")
    except urllib.error.HTTPError as error:
        if 300 <= error.code < 400:
            return f"the server redirects ({error.code}), which is not followed", "write the address it leads to"
        return f"the server answered {error.code}", "see the address in [notify.ping] of config.toml"
    except urllib.error.URLError as error:
        return f"the server was not reached: {_reason(error.reason)}", "see the address in [notify.ping] of config.toml"
    except (OSError, http.client.HTTPException) as error:
        return f"the server did not answer: {_reason(error)}", "see the address in [notify.ping] of config.toml"
    if answer_text.startswith("OK ("):  # as healthchecks says that it knows no such check, or was asked too often
        return "the server does not know this address, or was asked too often", "see it in the server's own list"
    return "", ""


def signalled(url: str, word: str) -> str:
    """The address for a signal: ``https://host/uuid`` becomes ``https://host/uuid/fail``; a query stays behind it."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/{word}" if word else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _reason(error: object) -> str:
    """Why a connection failed, without whom it was to."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate cannot be verified"
    if isinstance(error, TimeoutError):
        return "timed out"
    return str(error.strerror or type(error).__name__) if isinstance(error, OSError) else type(error).__name__


def apprise(what: Mapping[str, Any]) -> tuple[str, str]:
    """Send by Apprise. Returns what went wrong and what to do, or ``("", "")``."""
    try:
        import apprise as library
    except ImportError:
        return "Apprise is not installed", INSTALL
    logging.disable(logging.CRITICAL)  # its log names addresses
    sender = library.Apprise()
    for number, url in enumerate(what["urls"], 1):
        if not sender.add(url):
            return f"address {number} is not one that Apprise knows", "see its list: https://appriseit.com/services/"
    if not sender.notify(body=what["text"], title=what["title"], notify_type=what["kind"], body_format="text"):
        return "Apprise could not deliver the message to every address", "try it with: apprise -vv"
    return "", ""
