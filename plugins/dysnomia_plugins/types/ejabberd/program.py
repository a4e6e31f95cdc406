"""What a short-lived Erlang node does at the server's: read all tables in one transaction, and exchange their rows.

It is Erlang source that ``erl`` evaluates as the server's user. Its functions are sent to the server's node, which
evaluates them: no module is loaded there and none stays. The first argument is the node's name, the second a command:
``dump`` (all rows to standard output), ``exchange`` (a name for it, the file with the rows that are wanted, the file
for those that were there), ``fill`` (the same, where the tables that it has rows for are empty), ``happened`` (a name),
``forget`` (a name), ``status``.

Sources: mnesia(3), ejabberd_admin.erl of ejabberd 23.01 (which tables its own dump has, and how it writes them).
"""

from __future__ import annotations

from dysnomia_plugins.types.ejabberd.exchange import EXCHANGE
from dysnomia_plugins.types.ejabberd.reading import READING

MARK = "dysnomia_exchange"
"""The table that says, in the transaction of an exchange itself, which one has happened. No part of any dump."""

PROGRAM = (
    r"""
[NodeText, Command | Words] = init:get_plain_arguments(),
Node = list_to_atom(NodeText),
ok = io:setopts([{encoding, latin1}]),
Fail = fun(Format, Data) ->
    io:put_chars(standard_error, io_lib:format(Format ++ "~n", Data)), erlang:halt(3)
end,
% Never the terms themselves: they are passwords and messages.
Reason = fun
    Why({Kind, More, _}) when is_atom(Kind), is_atom(More) -> {Kind, More};
    Why({Kind, More}) when is_atom(Kind), is_atom(More) -> {Kind, More};
    Why({{Kind, _}, [{M, F, _, _} | _]}) when is_atom(Kind) -> {Kind, M, F};
    Why({Kind, [{M, F, _, _} | _]}) when is_atom(Kind) -> {Kind, M, F};
    Why(Kind) when is_atom(Kind) -> Kind;
    Why(Other) when is_tuple(Other), is_atom(element(1, Other)) -> element(1, Other);
    Why(_) -> unknown
end,
Pong = net_adm:ping(Node),
if Pong =:= pong -> ok; true -> io:put_chars(standard_error, "no-answer\n"), erlang:halt(4) end,

"""
    + READING
    + EXCHANGE
    + r"""
Parse = fun(Line) ->
    {ok, Tokens, _} = erl_scan:string(binary_to_list(Line)),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Atoms = erlang:system_info(atom_count),
    Atoms < 200000 orelse Fail("the snapshot has more than ~p names (atoms)", [Atoms]),
    Term
end,
% A definition goes to mnesia:create_table: of a stranger's nothing is in it but what these two may say.
Defines = fun({T, Options}) ->
    Known = fun({record_name, Name}) -> is_atom(Name); ({attributes, Names}) -> lists:all(fun erlang:is_atom/1, Names);
        (_) -> false end,
    Names = proplists:get_value(attributes, Options, []),
    is_atom(T) andalso lists:all(Known, Options) andalso length(Names) > 1
        orelse Fail("the snapshot does not describe the table ~0p by its record name and columns alone", [T]),
    {T, [{record_name, proplists:get_value(record_name, Options, T)}, {attributes, Names}]}
end,

try
    case {Command, Words} of
    {"dump", []} ->
        Me = self(),
        Version = rpc:call(Node, ejabberd_option, version, []),
        is_binary(Version) andalso io:put_chars(standard_error, ["version ", Version, "\n"]),
        {Pid, Monitor} = spawn_monitor(Node, erlang, apply, [Dump, [Me]]),
        Print = fun
            Loop() ->
                receive
                    {Pid, Found} ->
                        io:put_chars([io_lib:format("~0p.~n", [Row]) || Row <- Found]),
                        Pid ! {Me, more}, Loop();
                    {Pid, done, {atomic, _}} -> ok;
                    {Pid, done, {aborted, Why}} -> Fail("the tables could not be read: ~0p", [Reason(Why)]);
                    {'DOWN', Monitor, process, _, Why} -> Fail("the tables could not be read: ~0p", [Reason(Why)])
                end
        end,
        Print();
    {_, [Name, Beside, Aside]} when Command =:= "exchange"; Command =:= "fill" ->
        Me = self(),
        {ok, File} = file:open(Beside, [read, raw, binary, {read_ahead, 1 bsl 20}]),
        {ok, First} = file:read_line(File),
        {tables, Described} = Parse(First),
        Defined = [Defines(One) || One <- Described],
        There = rpc:call(Node, erlang, apply, [fun() -> [Definition(T) || T <- Tables()] end, []]),
        [case lists:keyfind(T, 1, There) of
            false -> ok;
            {T, Options} -> ok;
            _ -> Fail("the table ~0p has other columns here than in the snapshot", [T])
        end || {T, Options} <- Defined],
        Missing = [{T, Options} || {T, Options} <- Defined, not lists:keymember(T, 1, There)],
        Elsewhere = rpc:call(Node, mnesia, system_info, [tables]),
        [Fail("the table ~0p is not on disk here: it cannot be restored", [T]) || {T, _} <- Missing,
            lists:member(T, Elsewhere)],
        {Pid, Monitor} = spawn_monitor(Node, erlang, apply, [Exchange, [Me, Name, Aside, Missing, Command =:= "fill"]]),
        Next = fun() ->
            receive
                {Pid, more} -> ok;
                {'DOWN', Monitor, process, _, Why} -> Fail("the rows could not be handed over: ~0p", [Reason(Why)])
            end
        end,
        Send = fun
            Loop(Waiting, Size) when Size > 1000000; length(Waiting) >= 500 ->
                Pid ! {Me, rows, lists:reverse(Waiting)}, Next(), Loop([], 0);
            Loop(Waiting, Size) ->
                case file:read_line(File) of
                    {ok, Line} ->
                        Loop([Parse(Line) | Waiting], Size + byte_size(Line));
                    eof -> Pid ! {Me, rows, lists:reverse(Waiting)}, Next()
                end
        end,
        Send([], 0),
        Pid ! {Me, go},
        receive
            {Pid, done, {atomic, _}, Closed, Unlocked} -> io:format("~p ~p~n", [Closed, Unlocked]);
            {Pid, done, {aborted, holds_rows}, _, _} -> io:format("holds-rows~n");
            {Pid, done, {aborted, Why}, _, _} -> Fail("the rows could not be exchanged: ~0p", [Reason(Why)]);
            {'DOWN', Monitor, process, _, {several_rows, T}} ->
                Fail("the table ~0p has one row for each key here, and more in the snapshot", [T]);
            {'DOWN', Monitor, process, _, Why} -> Fail("the rows could not be exchanged: ~0p", [Reason(Why)])
        end;
    {"happened", [Name]} ->
        io:format("~p~n", [rpc:call(Node, erlang, apply, [Happened, [Name]])]);
    {"forget", [Name]} ->
        rpc:call(Node, erlang, apply, [Forget, [Name]]);
    {"status", []} ->
        Facts = fun() ->
            Names = Tables(),
            Word = erlang:system_info(wordsize),
            Bytes = fun(T) -> case mnesia:table_info(T, storage_type) of
                disc_only_copies -> mnesia:table_info(T, memory);
                _ -> mnesia:table_info(T, memory) * Word
            end end,
            {lists:sum([mnesia:table_info(T, size) || T <- Names]),
             lists:sum([Bytes(T) || T <- Names]),
             try ejabberd_sm:connected_users_number() catch _:_ -> 0 end,
             try binary_to_list(ejabberd_option:version()) catch _:_ -> "" end,
             mnesia:system_info(directory), length(mnesia:system_info(running_db_nodes))}
        end,
        {Count, Size, Users, Version, Directory, Nodes} = rpc:call(Node, erlang, apply, [Facts, []]),
        io:format("~p ~p ~p ~p ~s~n~s~n", [Count, Size, Users, Nodes, Version, Directory])
end
catch
    _:Thrown -> Fail("~0p", [Reason(Thrown)])
end,
erlang:halt(0).
"""
)
