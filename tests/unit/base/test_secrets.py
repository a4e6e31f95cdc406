"""One rule of names for secrets, and one redactor."""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_base.secrets import HIDDEN, Redactor, is_secret, secrets_of, shown
from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.redis.server import Server
from dysnomia_store.names import ComponentKey


@pytest.mark.parametrize(
    "name",
    ["mysqlPassword", "mysqlPwd", "ldapBindPw", "PGPASSWORD", "REDISCLI_AUTH", "PRIVATE_KEY", "REDIS_API_KEY", "apiKey",
     "myAPIkey", "API_TOKEN", "clientSecret", "AWS_SECRET_ACCESS_KEY", "dbpass", "passphrase", "requirepass",
     "masterauth", "passwordHash", "basicAuth", "credentials", "session_key", "password2"],
)  # fmt: skip
def test_these_hold_a_secret(name: str) -> None:
    assert is_secret(name)
    assert shown(name, "sesame-1") == HIDDEN
    assert secrets_of({name: "sesame-1"}) == ("sesame-1",)


@pytest.mark.parametrize(
    "name",
    ["redisPasswordFile", "PGPASSFILE", "passfile", "mysqlUsername", "PWD", "OLDPWD", "bypass", "authMethod",
     "tokenLifetime", "AWS_ACCESS_KEY_ID", "publicKey", "passwordPolicy", "secretPath", "PASSWORD_STORE_DIR", "keyDir"],
)  # fmt: skip
def test_these_hold_none(name: str) -> None:
    assert not is_secret(name)
    assert shown(name, "/etc/dysnomia/secret-of-redis") == "/etc/dysnomia/secret-of-redis"


def test_an_operator_reads_which_password_file_is_missing() -> None:
    """Its path is no secret: it stays in the message, in the properties on the screen, and in the job's log."""
    properties = {
        "type": "redis-database",
        "redisSocket": "/run/r",
        "redisPasswordFile": "/nonexistent/secret-of-redis",
    }
    server = Server.of(Component(ComponentKey.of("redis", "shop"), Path("/nonexistent"), properties))
    with pytest.raises(PluginError) as caught:
        server.secret()
    assert "/nonexistent/secret-of-redis" in Redactor(secrets_of(properties)).hide(str(caught.value))
    assert shown("redisPasswordFile", properties["redisPasswordFile"]) == properties["redisPasswordFile"]


def test_a_password_in_a_url_is_one_whatever_the_name() -> None:
    url = "postgres://shop:zq9-canary@db.example:5432/shop"
    assert secrets_of({"url": url}) == ("zq9-canary",)
    assert shown("url", url) == f"postgres://shop:{HIDDEN}@db.example:5432/shop"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("host=db password=zq9-canary port=1", f"host=db password={HIDDEN} port=1"),
        ("password='zq9 canary'", f"password={HIDDEN}"),
        ("https://hc.example/ping?a=b&token=zq9-canary&c=d", f"https://hc.example/ping?a=b&token={HIDDEN}&c=d"),
        ("server=db;Pwd=zq9-canary;x=y", f"server=db;Pwd={HIDDEN};x=y"),
    ],
)
def test_a_password_in_a_connection_string_is_one_whatever_the_name(text: str, hidden: str) -> None:
    assert shown("address", text) == hidden
    (secret,) = secrets_of({"address": text})
    assert Redactor([secret]).hide(f"at {secret}") == f"at {HIDDEN}"
    assert "zq9" in secret


def test_what_only_looks_like_a_connection_string_is_shown() -> None:
    for text in ("passwordless=yes", "a/b=c", "method=password", "x --token-file=/run/t", "password="):
        assert shown("words", text) == text
        assert secrets_of({"words": text}) == ()


def test_what_is_no_secret_by_its_value_tears_no_holes() -> None:
    assert secrets_of({"enableAuth": "true", "password": "ab", "pw": ("none", "abc")}) == ("abc",)
    assert Redactor(["abc"]).hide("abc of abcissa") == f"{HIDDEN} of abcissa"
    assert Redactor(["abcd", "abcdef"]).hide("abcdef abcde") == f"{HIDDEN} {HIDDEN}e"
