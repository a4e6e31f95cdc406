"""The conformance world of ejabberd: a server of its own, read and changed by an Erlang node of the tests' own."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.ejabberd.plugin import EjabberdDump
from dysnomia_store.names import ComponentKey
from tests.plugins.conformance.world import ProgramWriter, World, Writer
from tests.plugins.ejabberd.changes import CHANGES, seed
from tests.plugins.servers.ejabberd import EjabberdServer

INITIAL = r"""{tables,[{passwd,[{record_name,passwd},{attributes,[us,password]}]},
         {last_activity,[{record_name,last_activity},
                         {attributes,[us,timestamp,status]}]}]}.
{passwd,{<<"admin">>,<<"localhost">>},<<"admin">>}.
{last_activity,{<<"admin">>,<<"localhost">>},
               1695740983,<<"Registered but didn't login">>}.
"""
"""As Dysnomia's tests have one."""
READ = r"""
lists:join("\n", lists:sort([io_lib:format("~0p", [R]) || T <- rpc:call(N, mnesia, system_info, [local_tables]),
    T =/= schema, T =/= dysnomia_exchange, rpc:call(N, mnesia, table_info, [T, storage_type]) =/= ram_copies,
    R <- rpc:call(N, mnesia, dirty_select, [T, [{'_', [], ['$_']}]])]))
"""
CONSULT = r"""
begin {ok, B} = file:read_file("%s"),
[_ | Rows] = [begin {ok, S, _} = erl_scan:string(binary_to_list(L)), {ok, R} = erl_parse:parse_term(S), R end ||
    L <- binary:split(B, <<"\n">>, [global, trim_all])],
lists:join("\n", lists:sort([io_lib:format("~0p", [R]) || R <- Rows])) end
"""
WRITER = r"""
N = '%s', L = "%s",
{ok, F} = file:open(L, [append, raw]),
W = fun W(I) ->
    Name = list_to_binary("w" ++ integer_to_list(I)),
    case catch rpc:call(N, ejabberd_auth, try_register, [Name, <<"localhost">>, <<"p">>]) of
        ok -> file:write(F, [integer_to_list(I), "\n"]);
        _ -> net_adm:ping(N)
    end,
    W(I + 1)
end,
net_adm:ping(N), W(0).
"""


class EjabberdWorld(World):
    """A server with the usual modules.

    Args:
        server: one that runs already, and goes on when this is closed.
    """

    def __init__(self, folder: Path, server: EjabberdServer | None = None) -> None:
        self._own = server is None
        self.plugin = EjabberdDump()
        self.folder = folder
        self.server = server or EjabberdServer()
        initial = folder / "component" / "ejabberd-dump"
        initial.mkdir(parents=True)
        (initial / "initial.dump").write_text(INITIAL)
        key = ComponentKey.of("ejabberd", "chat")
        self.component = Component(key, initial.parent, dict(self.server.properties))
        try:
            if not self.server.running:
                self.server.start()
            self.empty()
        except BaseException:
            self.close()
            raise

    def empty(self) -> None:
        """Without what modules wrote when they started, and what the server remembers of rows that are gone."""
        self.server.do(
            "[mnesia:clear_table(T) || T <- mnesia:system_info(local_tables), T =/= schema,"
            " mnesia:table_info(T, storage_type) =/= ram_copies], ejabberd_admin:clear_cache()"
        )

    def close(self) -> None:
        if self._own:
            self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def seed(self) -> None:
        seed(self.server)

    def whole(self, place: Place | None = None) -> object:
        lines = self.lines(place)
        return lines or None

    def lines(self, place: Place | None = None) -> list[bytes]:
        if place is None:
            said = self.server.ask(READ)
        elif not Path(place.name).exists():
            return []
        else:
            said = self.server.ask(CONSULT % place.name)
        return [line for line in said.split(b"\n") if line]

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        return f"{name}: {CHANGES[name](self.server, random)}"

    def touch(self) -> str:
        self.server.do(
            "mnesia:dump_log(), [mnesia:dirty_write(T, R) || T <- [passwd, muc_room, roster], "
            "R <- lists:reverse(mnesia:dirty_select(T, [{'_', [], ['$_']}]))]"
        )
        return "the log was dumped, rows were written again"

    def grow(self, size: int) -> None:
        random = Random(1)
        for number in range((size >> 20) + 1):
            text = base64.b64encode(random.randbytes(786432)).decode()
            row = (
                '{private_storage, {<<"ann">>, <<"localhost">>, <<"big' + str(number) + '">>}, {xmlel, <<"x">>, [], '
                '[{xmlcdata, list_to_binary("' + text + '")}]}}'
            )
            self.server.ask(f'ok = rpc:call(N, mnesia, dirty_write, [{row}]), ""')

    def some_sections(self) -> tuple[str, ...]:
        return ("table:passwd", "table:offline_msg")

    def part(self, place: Place | None = None) -> object:
        return [line for line in self.lines(place) if line.startswith((b"{passwd,", b"{offline_msg,"))]

    def spoil(self, place: Place) -> None:
        path = Path(place.name)
        path.write_bytes(path.read_bytes().replace(b'<<"ann">>', b'<<"anne">>', 1))

    def writer(self, log: Path) -> Writer:
        return ProgramWriter(
            log, self.server.erl("-noinput", "-eval", WRITER % (self.server.node, log)), env=self.server.environment
        )

    def written(self, place: Place | None = None) -> set[int]:
        found = (line.split(b'"')[1].decode() for line in self.lines(place) if line.startswith(b'{passwd,{<<"w'))
        return {int(name[1:]) for name in found if name[1:].isdigit()}

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self.server.quit()
        try:
            yield
        finally:
            self.server.start()
