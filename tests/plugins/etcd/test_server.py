"""Accounts, TLS, clusters: what an etcd says, and what is made of it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from dysnomia_plugins.base import Purpose
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit import servers
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.types.etcd import api
from dysnomia_plugins.types.etcd.records import of_line
from dysnomia_plugins.types.etcd.server import Server
from dysnomia_plugins.types.etcd.spool import Spool
from tests.plugins.conformance.bare import places, restore, with_properties
from tests.plugins.etcd.changes import PREFIX, SEED, fill
from tests.plugins.etcd.site import Site, site, texts
from tests.plugins.servers.common import free_port
from tests.plugins.servers.etcd import EtcdServer, certificates
from tests.waiting import wait_until

pytestmark = pytest.mark.server
RUNNER = ProcessRunner(NeverCancelled())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.Session.__init__, "__defaults__", (60.0, 1.0))


def _user(server: EtcdServer, name: str, *granted: tuple[str, str]) -> None:
    server.etcdctl("user", "add", f"{name}:its password")
    server.etcdctl("role", "add", name)
    server.etcdctl("user", "grant-role", name, name)
    for right, prefix in granted:
        server.etcdctl("role", "grant-permission", name, right, "--prefix=true", prefix)


def test_an_account_with_the_prefix_is_enough(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        here.server.ask_for_accounts()
        _user(here.server, "app", ("readwrite", "/app/"))
        with_properties(here, etcdUser="app", etcdPassword="its password")
        stored = here.dump()
        here.server.delete(PREFIX + b"users/1")
        assert not texts(here.plan(stored))
        restore(here, stored)
        assert here.server.pairs(PREFIX) == SEED
        assert here.plugin.probe(here.component, RUNNER).up


@pytest.mark.parametrize(
    "granted", [(), (("readwrite", "/app/users/"),), (("readwrite", "/app/a"), ("read", "/app/b"))]
)
def test_an_account_that_sees_only_some_is_refused(tmp_path: Path, granted: tuple[tuple[str, str], ...]) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        here.server.ask_for_accounts()
        _user(here.server, "some", *granted)
        with_properties(here, etcdUser="some", etcdPassword="its password")
        with pytest.raises(PluginError, match=r"permission denied \(user 'some'\)"):
            here.dump()
        assert "permission denied" in here.plugin.probe(here.component, RUNNER).detail


def test_an_account_that_may_only_read_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        here.server.ask_for_accounts()
        _user(here.server, "reader", ("read", "/app/"))
        with_properties(here, etcdUser="reader", etcdPassword="its password")
        stored = here.dump()
        here.server.put({PREFIX + b"users/1": b"changed"})
        now = here.server.pairs(PREFIX)
        with pytest.raises(PluginError, match="permission denied"):
            here.plugin.load(here.context(), stored, here.plugin.place(here.context(), Purpose.BESIDE))
        assert here.server.pairs(PREFIX) == now


def test_an_account_that_may_write_only_some_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        here.server.ask_for_accounts()
        _user(here.server, "some", ("read", "/app/"), ("readwrite", "/app/deep/"))
        with_properties(here, etcdUser="some", etcdPassword="its password")
        stored = here.dump()
        here.server.put({PREFIX + b"users/1": b"changed", PREFIX + b"deep/1": b"new"})
        now = here.server.pairs(PREFIX)
        ctx = here.context()
        with pytest.raises(PluginError, match="permission denied"):
            here.plugin.load(ctx, stored, here.plugin.place(ctx, Purpose.BESIDE))
        assert here.server.pairs(PREFIX) == now


def test_no_account_and_a_wrong_one_are_named_and_no_secret_is(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        here.server.ask_for_accounts()
        with_properties(here, etcdUser="", etcdPassword="")
        with pytest.raises(WrongCredentials, match="asks for an account"):
            here.dump()
        with_properties(here, etcdUser="root", etcdPassword="wrong-and-secret")
        with pytest.raises(WrongCredentials, match="refuses the login of 'root'") as refused:
            here.dump()
        assert "wrong-and-secret" not in str(refused.value)


def test_a_password_is_read_from_a_file_and_not_needed_where_none_is_asked_for(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        with_properties(here, etcdUser="root", etcdPassword="not asked for")
        digest = here.dump().digest
        here.server.ask_for_accounts()
        file = tmp_path / "password"
        file.write_text(f"{here.server.password}\nmore")
        with_properties(here, etcdUser="root", etcdPassword="", etcdPasswordFile=str(file))
        assert here.dump().digest == digest


def test_a_token_that_expires_is_made_again(tmp_path: Path) -> None:
    with site(tmp_path, "--auth-token-ttl=1") as here:
        fill(here.server)
        here.server.ask_for_accounts()
        with_properties(here, etcdUser="root", etcdPassword=here.server.password)
        with api.session(Server.of(here.component)) as made:
            made.call("kv/range", {"key": "YQ=="})
            spent = made._token

            def made_again() -> bool:
                made.call("kv/range", {"key": "YQ=="})
                return made._token != spent

            wait_until(made_again, interval=3)  # each use of a token makes it last for its time once more


def test_by_tls_with_a_certificate_of_our_own(tmp_path: Path) -> None:
    with readable(certificates(tmp_path / "tls")) as folder, EtcdServer(tls=folder) as server:
        here = Site(tmp_path / "site", server)
        fill(server)
        stored = here.dump()
        server.delete_below(PREFIX)
        restore(here, stored)
        assert server.pairs(PREFIX) == SEED
        with_properties(here, etcdCaFile=f"{server.tls}/other.pem")
        with pytest.raises(NotSafe, match=r"certificate of etcd on .* is not trusted"):
            here.dump()
        with_properties(here, etcdCaFile="")
        with pytest.raises(NotSafe, match="not trusted"):
            here.dump()
        with_properties(here, etcdCaFile=f"{server.tls}/ca.pem", etcdCertFile="", etcdKeyFile="")
        with pytest.raises(WrongCredentials, match="ends the TLS connection"):
            here.dump()
        with_properties(here, etcdCertFile=f"{server.tls}/etcd.pem", etcdKeyFile=f"{server.tls}/names")
        with pytest.raises(PluginError, match="names cannot be used"):
            here.dump()
        with_properties(here, etcdEndpoints=f"http://127.0.0.1:{server.port}")
        with pytest.raises(PluginError, match=r"does not answer|does not serve"):
            here.dump()


@contextmanager
def readable(folder: Path) -> Iterator[Path]:
    """For the server's user, who cannot pass pytest's folders."""
    with tempfile.TemporaryDirectory(prefix="tls.", dir="/tmp") as copy:
        Path(copy).chmod(0o755)
        for path in folder.iterdir():
            Path(shutil.copy(path, copy)).chmod(0o644)
        yield Path(copy)


@pytest.fixture
def cluster() -> Iterator[list[EtcdServer]]:
    """Three members."""
    members = [EtcdServer(name=name) for name in ("one", "two", "three")]
    with ExitStack() as stack:
        for member in members:
            member.members = ",".join(f"{one.name}={one.peer}" for one in members)
            member.alone = False
            stack.enter_context(member)
        wait_until(lambda: _healthy(members[0]))
        yield members


def _healthy(member: EtcdServer) -> bool:
    member.alone = True
    return member._answers()


def test_a_cluster_goes_on_with_one_member_down_and_says_so_without_most(
    tmp_path: Path, cluster: list[EtcdServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = cluster
    urls = ",".join(member.url for member in cluster)
    here = Site(tmp_path, one, etcdEndpoints=urls)
    fill(one)
    stored = here.dump()
    one.put({PREFIX + b"users/1": b"changed"})
    one.kill()
    monkeypatch.setattr(api.Session.__init__, "__defaults__", (60.0, 15.0))
    restore(here, stored)
    assert two.pairs(PREFIX) == SEED
    monkeypatch.setattr(api.Session.__init__, "__defaults__", (60.0, 1.0))
    two.kill()
    with pytest.raises(ServerDown, match=r"cannot answer|does not answer"):
        here.dump()
    with_properties(here, etcdEndpoints=three.url)
    wait_until(lambda: _no_leader(here))
    with pytest.raises(ServerDown, match="cannot answer"):
        here.dump()
    monkeypatch.setattr(servers, "START_SECONDS", 1.0)
    with pytest.raises(ServerDown, match="no leader"):
        here.plugin.activate(here.context())


def _no_leader(here: Site) -> bool:
    answer = here.plugin.probe(here.component, RUNNER)
    return answer.up and answer.broken and "no leader" in answer.detail


def test_what_is_down_from_the_first_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.Session.__init__, "__defaults__", (60.0, 15.0))
    with site(tmp_path) as here:
        fill(here.server)
        down = ",".join(f"http://127.0.0.1:{free_port()}" for _ in range(3))
        with_properties(here, etcdEndpoints=down)
        began = time.monotonic()
        with pytest.raises(ServerDown, match="does not answer"):
            here.dump()
        assert time.monotonic() - began < 5
        with_properties(here, etcdEndpoints=f"{down},{here.server.url}")
        assert here.dump().digest


def test_a_learner_is_named(tmp_path: Path) -> None:
    with EtcdServer() as first, EtcdServer(name="learner") as second:
        second.stop()
        shutil.rmtree(second.home / "data")
        fill(first)
        first.etcdctl("member", "add", "learner", "--learner", f"--peer-urls={second.peer}")
        second.members = f"one={first.peer},learner={second.peer}"
        second.words, second.alone = ("--initial-cluster-state=existing",), False
        second.start()
        here = Site(tmp_path, second)
        with pytest.raises(PluginError, match="learner"):
            here.dump()


def test_without_space_a_snapshot_is_made_and_a_restore_is_refused_in_the_plan(tmp_path: Path) -> None:
    with site(tmp_path, f"--quota-backend-bytes={8 << 20}") as here:
        fill(here.server)
        stored = here.dump()
        here.server.put({PREFIX + b"users/1": b"changed"})
        with pytest.raises(AssertionError, match="space exceeded"):
            here.server.put((b"/other/%d" % number, b"x" * 1_000_000) for number in range(100))
        now = here.server.pairs(PREFIX)
        assert here.dump().digest != stored.digest
        assert "NOSPACE" in texts(here.plan(stored))["blocker"]
        answer = here.plugin.probe(here.component, RUNNER)
        assert answer.up
        assert "NOSPACE" in answer.detail
        ctx = here.context()
        with pytest.raises(PluginError, match="space exceeded"):
            here.plugin.load(ctx, stored, here.plugin.place(ctx, Purpose.BESIDE))
        assert here.server.pairs(PREFIX) == now


def test_space_that_ends_in_the_exchange_and_comes_again(tmp_path: Path) -> None:
    with site(tmp_path, f"--quota-backend-bytes={10 << 20}") as here:
        pairs = {b"large/%02d" % number: b"%d" % number * 50_000 for number in range(60)}
        here.server.put({PREFIX + key: value for key, value in pairs.items()})
        stored = here.dump()
        now = dict.fromkeys(pairs, b"small")
        here.server.put({PREFIX + key: value for key, value in now.items()})
        ctx = here.context()
        beside, aside = places(here, ctx)
        here.plugin.load(ctx, stored, beside)
        with pytest.raises(AssertionError, match="space exceeded"):
            here.server.put((b"/other/%d" % (number % 9), b"x" * 500_000) for number in range(18))
        with pytest.raises(PluginError, match=r"space exceeded|NOSPACE"):
            here.plugin.swap(ctx, beside, aside)
        with pytest.raises(PluginError, match="space exceeded"):
            here.plugin.recover(ctx)
        here.server.delete_below(b"/other/")
        here.server.call("kv/compaction", revision=str(here.server.answer()["header"]["revision"]), physical=True)
        here.server.etcdctl("defrag")
        here.server.etcdctl("alarm", "disarm")
        assert here.plugin.recover(ctx)
        assert here.server.pairs(PREFIX) == pairs
        assert dict(of_line(line) for _, line in Spool(aside.name).pairs()) == now


def test_a_server_that_is_down_is_said_to_be(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        fill(here.server)
        here.server.stop()
        answer = here.plugin.probe(here.component, RUNNER)
        assert not answer.up
        assert "does not answer" in answer.detail
        with pytest.raises(ServerDown, match="does not answer"):
            here.dump()


def test_another_server_that_speaks_http_is_not_taken_for_one(tmp_path: Path) -> None:
    words = "does not serve etcd's API in JSON"
    with site(tmp_path, "--enable-grpc-gateway=false") as here, pytest.raises(PluginError, match=words):
        here.dump()


def test_what_an_operators_shell_has_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("ETCDCTL_ENDPOINTS", "http://127.0.0.1:9")
    monkeypatch.setenv("ETCDCTL_USER", "nobody:wrong")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    with site(tmp_path) as here:
        fill(here.server)
        assert here.dump().digest


def test_an_empty_prefix_is_no_snapshot(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        here.server.put({b"/apple": b"1"})
        with pytest.raises(PluginError, match="no key that begins with '/app/'"):
            here.dump()
        here.server.put({PREFIX + b"session": b"1"}, here.server.lease())
        with pytest.raises(PluginError, match="not attached to a lease"):
            here.dump()


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"etcdEndpoints": "ftp://127.0.0.1"}, "not an address"),
        ({"etcdEndpoints": "http://127.0.0.1:99999"}, "not an address"),
        ({"etcdEndpoints": "http://root:secret@127.0.0.1"}, "account in an address"),
        ({"etcdWhole": "true", "etcdPrefix": "/x/"}, "both set"),
        ({"etcdWhole": "perhaps"}, "'perhaps'"),
        ({"etcdCertFile": "/etc/a.pem"}, "one is not set"),
        ({"etcdPassword": "secret"}, "no etcdUser"),
    ],
)
def test_properties_that_make_no_sense_are_named(tmp_path: Path, properties: dict[str, str], message: str) -> None:
    with pytest.raises(PluginError, match=message) as refused:
        Server.from_properties({"type": "etcd-database", **properties})
    assert "secret" not in str(refused.value)
