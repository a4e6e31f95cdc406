"""A RabbitMQ server for the tests: its own folder, node, cookie, ports and epmd; and an Erlang node that asks it."""

from __future__ import annotations

import json
import pwd
import secrets
import shutil
import signal
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Self

from tests.plugins.servers.common import GUARDED, Service, free_port, missing, server_user

PROGRAMS = "/usr/lib/rabbitmq/bin"
ASKER = r"""
N = '%s',
ok = io:setopts([{encoding, latin1}, binary]),
Wait = fun W(0) -> erlang:halt(1); W(K) ->
    case rpc:call(N, rabbit, is_running, []) of true -> ok; _ -> timer:sleep(50), W(K - 1) end end,
Wait(2400),
Loop = fun Loop() ->
    case io:get_line("") of
        eof -> erlang:halt(0);
        Line ->
            {ok, Tokens, _} = erl_scan:string(binary_to_list(base64:decode(string:trim(Line)))),
            {ok, Expressions} = erl_parse:parse_exprs(Tokens),
            F = fun() -> try
                {value, Value, _} = erl_eval:exprs(Expressions, erl_eval:new_bindings()), Value
            catch Class:Reason -> {thrown, Class, Reason} end end,
            Told = case rpc:call(N, erlang, apply, [F, []]) of
                Bytes when is_binary(Bytes) -> Bytes;
                Term -> iolist_to_binary(io_lib:format("~0p", [Term]))
            end,
            io:put_chars([base64:encode(Told), "\n"]),
            Loop()
    end
end,
Loop().
"""


class RabbitServer(Service):
    """One server, as RabbitMQ's user.

    Args:
        plugins: that are enabled.
        name: of its node, without the host.
        host: of its node; with a full stop in it, the node has a long name.
        settings: more lines of rabbitmq.conf.
        advanced: advanced.config; ``""`` for none.
        in_file: whether its name stands in rabbitmq-env.conf, and not in its environment.
        user: that it runs as.
    """

    stopping = signal.SIGTERM

    def __init__(
        self, *plugins: str, name: str = "", epmd: int = 0, host: str = "localhost", settings: str = "",
        advanced: str = "", in_file: bool = False, user: pwd.struct_passwd | None = None,
    ) -> None:  # fmt: skip
        if shutil.which("rabbitmqctl", path=PROGRAMS) is None:
            missing("rabbitmq-server", "apt-get install rabbitmq-server")
        super().__init__("rq.", user or server_user("rabbitmq"))
        self._own_epmd = not epmd
        self.epmd = epmd or free_port()
        self.port = free_port()
        self.host = host
        self.node = f"{name or f't{self.port}'}@{host}"
        for folder in ("mnesia", "logs"):
            (self.home / folder).mkdir()
            self.give(self.home / folder)
        (self.home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users = none\n{settings}"
        )
        self._in_file = in_file
        (self.home / "env.conf").write_text(
            f'NODENAME="{self.node}"\nUSE_LONGNAME={str(self.is_long).lower()}\n' if in_file else ""
        )
        if advanced:
            (self.home / "advanced.config").write_text(advanced)
        (self.home / "plugins").write_text(f"[{','.join(plugins)}].")
        self.cookie = self.home / ".erlang.cookie"
        self.cookie.write_text(secrets.token_hex(10))
        self.cookie.chmod(0o400)
        for path in (self.cookie, self.home / "plugins"):
            self.give(path)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._asker: subprocess.Popen[bytes] | None = None
        self._dist = free_port()

    @property
    def is_long(self) -> bool:
        return "." in self.host

    @property
    def environment(self) -> Mapping[str, str]:
        """Of its own programs."""
        named = {"RABBITMQ_NODENAME": self.node, "RABBITMQ_USE_LONGNAME": str(self.is_long).lower()}
        if (self.home / "advanced.config").exists():
            named["RABBITMQ_ADVANCED_CONFIG_FILE"] = f"{self.home}/advanced.config"
        return {
            **named,
            "PATH": f"{PROGRAMS}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.home),
            "RABBITMQ_MNESIA_BASE": f"{self.home}/mnesia",
            "RABBITMQ_LOG_BASE": f"{self.home}/logs", "RABBITMQ_CONFIG_FILE": f"{self.home}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{self.home}/env.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.home}/plugins", "RABBITMQ_DIST_PORT": str(self._dist),
            "RABBITMQ_ALLOW_INPUT": "1", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput +S 2:2 +sbwt none",
            "RABBITMQ_CTL_DIST_PORT_MIN": "0", "RABBITMQ_CTL_DIST_PORT_MAX": "0",
            "ERL_EPMD_PORT": str(self.epmd), "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_CRASH_DUMP_SECONDS": "0",
        }  # fmt: skip

    @property
    def properties(self) -> Mapping[str, str]:
        """Of a container on it."""
        return {
            "type": "rabbitmq-definitions", "rabbitmqNode": self.node, "rabbitmqUser": self._user.pw_name,
            "rabbitmqHome": str(self.home), "rabbitmqEpmdPort": str(self.epmd),
        }  # fmt: skip

    def start(self) -> Self:
        if self._own_epmd and self._epmd is None:
            self._epmd = subprocess.Popen(
                [*GUARDED, "epmd", "-port", str(self.epmd), "-address", "127.0.0.1"],
                stdin=subprocess.DEVNULL, env=self.environment, start_new_session=True, **self._as_user(),
            )  # fmt: skip
        hidden = ("RABBITMQ_NODENAME", "RABBITMQ_USE_LONGNAME") if self._in_file else ()
        environment = {name: value for name, value in self.environment.items() if name not in hidden}
        self._launch(["rabbitmq-server"], env=environment)
        self._forget_asker()
        assert self.ask('<<"here">>') == b"here", (self.home / "log").read_text(errors="replace")[-2000:]
        return self

    def _answers(self) -> bool:
        """The node that asks waits until it does."""
        return True

    def erl(self, *words: str) -> list[str]:
        """A node that may ask it."""
        name = f"ask{secrets.token_hex(5)}@{self.host}"
        return [
            "erl", "-name" if self.is_long else "-sname", name, "-hidden", "-start_epmd", "false",
            "-dist_listen", "false", "+S", "1:1", "+sbwt", "none", *words,
        ]  # fmt: skip

    def ask(self, expressions: str) -> bytes:
        """What an expression gives at the server: a binary as it is, else as a term."""
        if self._asker is None or self._asker.poll() is not None:
            self._asker = subprocess.Popen(
                [*GUARDED, *self.erl("-noshell", "-eval", ASKER % self.node)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment, start_new_session=True, cwd="/",
            )  # fmt: skip
        assert self._asker.stdin is not None
        assert self._asker.stdout is not None
        self._asker.stdin.write(b64encode(f"{expressions}.".encode("latin-1")) + b"\n")
        self._asker.stdin.flush()
        line = self._asker.stdout.readline()
        assert line, "the asking node ended"
        told = b64decode(line)
        assert not told.startswith((b"{thrown", b"{badrpc")), (expressions, told[:2000])
        return told

    def export(self) -> dict[str, list[dict[str, Any]]]:
        """What ``rabbitmqctl export_definitions`` writes."""
        made = json.loads(self.ask("iolist_to_binary(rabbit_json:encode(rabbit_definitions:all_definitions()))"))
        return {name: ones for name, ones in made.items() if isinstance(ones, list)}

    def control(self, *words: str, stdin: str = "") -> str:
        """``rabbitmqctl`` for it."""
        done = subprocess.run(
            ["rabbitmqctl", *words], input=stdin, capture_output=True, text=True, check=False, env=self.environment,
            **self._as_user(),
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return str(done.stdout)

    def listed(self, what: str, vhost: str, *columns: str) -> Any:
        """``rabbitmqctl list_WHAT``."""
        return json.loads(self.control(f"list_{what}", "-q", "-p", vhost, *columns, "--formatter", "json"))

    def _forget_asker(self) -> None:
        if self._asker is not None:
            for stream in (self._asker.stdin, self._asker.stdout):
                if stream is not None:
                    stream.close()
            self._asker.kill()
            self._asker.wait()
            self._asker = None

    def clear(self) -> None:
        """Without what tests made: virtual hosts and users of their own."""
        self.ask(
            '[rabbit_vhost:delete(V, <<"t">>) || V <- rabbit_vhost:list_names(), V =/= <<"/">>],'
            '[rabbit_auth_backend_internal:delete_user(U, <<"t">>) || L <- rabbit_auth_backend_internal:list_users(),'
            ' {user, U} <- L, U =/= <<"guest">>]'
        )

    def kill(self) -> None:
        self._forget_asker()
        super().kill()

    def stop(self) -> None:
        self._forget_asker()
        super().stop()

    def remove(self) -> None:
        """End it, and all that it started."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None
        shutil.rmtree(self.home, ignore_errors=True)
