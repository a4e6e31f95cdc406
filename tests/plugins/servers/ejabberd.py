"""An ejabberd server for the tests: its own folder, node and cookie, no epmd; and an Erlang node that asks it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.plugins.servers.common import GUARDED, Service, free_port, missing, server_user

MODULES = (
    "mod_roster", "mod_admin_extra", "mod_private", "mod_offline", "mod_muc", "mod_last", "mod_vcard", "mod_privacy",
)  # fmt: skip
"""None that writes rows of its own when it starts."""
ASKER = r"""
N = '%s',
pong = net_adm:ping(N),
ok = io:setopts([{encoding, latin1}, binary]),
Loop = fun Loop() ->
    case io:get_line("") of
        eof -> erlang:halt(0);
        Line ->
            {ok, Tokens, _} = erl_scan:string(binary_to_list(base64:decode(string:trim(Line)))),
            {ok, Expressions} = erl_parse:parse_exprs(Tokens),
            Said = try erl_eval:exprs(Expressions, erl_eval:add_binding('N', N, erl_eval:new_bindings())) of
                {value, Value, _} -> io_lib:format("~s", [Value])
            catch Class:Reason -> io_lib:format("error ~0p ~0p", [Class, Reason])
            end,
            Bytes = iolist_to_binary(Said),
            io:put_chars([integer_to_list(byte_size(Bytes)), "\n", binary_to_list(Bytes)]),
            Loop()
    end
end,
Loop().
"""


class Asker:
    """A node of the tests' own, at whose prompt anything can be said."""

    def __init__(self, server: EjabberdServer) -> None:
        self._process = subprocess.Popen(
            [*GUARDED, *server.erl("-noshell", "-eval", ASKER % server.node)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=server.environment, start_new_session=True, cwd="/",
        )  # fmt: skip

    def ask(self, expressions: str) -> bytes:
        """What an expression gives, which is text. Raises AssertionError."""
        from base64 import b64encode

        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b64encode(f"{expressions}.".encode("latin-1")) + b"\n")
        self._process.stdin.flush()
        size = self._process.stdout.readline()
        assert size, "the asking node ended"
        said = self._process.stdout.read(int(size))
        assert not said.startswith(b"error "), (expressions, said[:2000])
        return said

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.kill()
        self._process.wait()


class EjabberdServer(Service):
    """One server, as ejabberd's user.

    Args:
        modules: of its configuration, with a db_type where another is wanted.
        settings: more lines of ejabberdctl.cfg.
    """

    stopping = signal.SIGKILL

    def __init__(self, *, settings: str = "", more: str = "") -> None:
        if shutil.which("ejabberdctl", path="/usr/sbin:/usr/bin") is None:
            missing("ejabberd", "apt-get install ejabberd")
        super().__init__("ej.", server_user("ejabberd"))
        self.port = free_port()
        self.node = f"t{self.port}@localhost"
        for name in ("conf", "logs", "spool"):
            (self.home / name).mkdir()
            self.give(self.home / name)
        modules = "".join(f"  {name}: {{}}\n" for name in MODULES)
        (self.home / "conf" / "ejabberd.yml").write_text(
            f"loglevel: warning\nhosts: [localhost]\nlisten:\n"
            f'  - {{port: {free_port()}, ip: "127.0.0.1", module: ejabberd_c2s}}\n{more}modules:\n{modules}'
        )
        self.settings = self.home / "conf" / "ejabberdctl.cfg"
        self.settings.write_text(
            f"# settings\nERLANG_NODE={self.node}\nERL_DIST_PORT={self.port}\nINET_DIST_INTERFACE=127.0.0.1\n"
            f'EJABBERD_PID_PATH={self.home}/pid\nSPOOL_DIR="{self.home}/spool"\n{settings}'
        )
        shutil.copy("/etc/ejabberd/inetrc", self.home / "conf" / "inetrc")
        cookie = self.home / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(10))
        cookie.chmod(0o400)
        for path in (cookie, *(self.home / "conf").iterdir()):
            self.give(path)
        self._asker: Asker | None = None

    @property
    def spool(self) -> Path:
        return self.home / "spool"

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.home),
                "ERL_CRASH_DUMP_SECONDS": "0"}  # fmt: skip

    @property
    def properties(self) -> Mapping[str, str]:
        """Of a container on it."""
        return {
            "type": "ejabberd-dump", "ejabberdUser": self._user.pw_name, "ejabberdSettings": str(self.settings),
            "ejabberdHome": str(self.home),
        }  # fmt: skip

    def erl(self, *words: str) -> list[str]:
        """A node that may ask it."""
        name = f"ask{secrets.token_hex(5)}@localhost"
        return [
            "erl", "-sname", name, "-hidden", "-start_epmd", "false", "-erl_epmd_port", str(self.port),
            "-dist_listen", "false", "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "+S", "1:1", *words,
        ]  # fmt: skip

    def control(self, *words: str) -> list[str]:
        """``ejabberdctl`` for it."""
        conf = self.home / "conf"
        return [
            "ejabberdctl", "--config-dir", str(conf), "--logs", str(self.home / "logs"), "--spool", str(self.spool),
            "--ctl-config", str(self.settings), *words,
        ]  # fmt: skip

    def run_control(self, *words: str) -> str:
        done = subprocess.run(
            self.control(*words), capture_output=True, text=True, check=False, env=self.environment, **self._as_user()
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return str(done.stdout)

    def start(self) -> Self:
        self._launch(self.control("foreground"), env=self.environment)
        self._asker = Asker(self)
        return self

    def _answers(self) -> bool:
        done = subprocess.run(
            self.control("status"), capture_output=True, check=False, env=self.environment, **self._as_user()
        )
        return done.returncode == 0

    def ask(self, expressions: str) -> bytes:
        """What an expression gives; ``N`` is the server's node."""
        assert self._asker is not None
        return self._asker.ask(expressions)

    def do(self, call: str) -> bytes:
        """Evaluate at the server's: what it gives, as a term."""
        said = self.ask(f'io_lib:format("~0p", [rpc:call(N, erlang, apply, [fun() -> {call} end, []])])')
        assert not said.startswith(b"{badrpc"), (call, said)
        return said

    def quit(self) -> None:
        """Stop it in good order, to be started again."""
        self._forget_asker()
        process = self._process
        assert process is not None
        self.run_control("stop")
        process.wait(60)

    def _forget_asker(self) -> None:
        if self._asker is not None:
            self._asker.close()
            self._asker = None

    def remove(self) -> None:
        """End it, and all that it started."""
        self._forget_asker()
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)
