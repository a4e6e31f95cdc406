"""What a short-lived Erlang node does at the server's: read all tables in one transaction, and exchange their rows.

It is Erlang source that ``erl`` evaluates as the server's user. Its functions are sent to the server's node, which
evaluates them: no module is loaded there and none stays. The first argument is the node's name, the second a command:
``dump`` (all rows to standard output), ``exchange`` (a name for it, the file with the rows that are wanted, the file
for those that were there), ``fill`` (the same, where the tables that it has rows for are empty), ``happened`` (a name),
``forget``, ``status``.

Sources: mnesia(3), ejabberd_admin.erl of ejabberd 23.01 (which tables its own dump has, and how it writes them).
"""

from __future__ import annotations

MARK = "dysnomia_exchange"
"""The table that says, in the transaction of an exchange itself, which one has happened. No part of any dump."""

PROGRAM = r"""
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

Tables = fun() ->
    lists:sort([T || T <- mnesia:system_info(local_tables), T =/= schema, T =/= dysnomia_exchange,
        lists:member(mnesia:table_info(T, storage_type), [disc_copies, disc_only_copies])])
end,
Definition = fun(T) ->
    {T, [{record_name, mnesia:table_info(T, record_name)}, {attributes, mnesia:table_info(T, attributes)}]}
end,
Rows = fun
    Loop('$end_of_table', _, _) -> ok;
    Loop({Found, More}, T, Hand) ->
        Hand([setelement(1, Row, T) || Row <- Found]), Loop(mnesia:select(More), T, Hand)
end,
All = fun(Names, Hand) ->
    Full = [T || T <- Names, mnesia:table_info(T, size) > 0],
    Hand([{tables, [Definition(T) || T <- Full]}]),
    [Rows(mnesia:select(T, [{'_', [], ['$_']}], 64, read), T, Hand) || T <- Full]
end,

Dump = fun(Parent) ->
    erlang:monitor_node(node(Parent), true),
    Hand = fun(Found) ->
        Parent ! {self(), Found},
        receive {Parent, more} -> ok; {nodedown, _} -> exit(abandoned) end
    end,
    Done = mnesia:transaction(fun() ->
        Names = Tables(), [mnesia:read_lock_table(T) || T <- Names], All(Names, Hand)
    end),
    Parent ! {self(), done, Done}
end,

% Sessions and rooms keep state of their own, and write it when they end: they end before, and what came meanwhile
% does afterwards.
Quiet = fun() ->
    Sessions = try ejabberd_sm:dirty_get_sessions_list() catch _:_ -> [] end,
    Pids = try ejabberd_sm:get_all_pids() catch _:_ -> [] end,
    Watched = [erlang:monitor(process, P) || P <- Pids],
    [try ejabberd_sm:kick_user(U, S) catch _:_ -> ok end || {U, S, _} <- Sessions],
    Hosts = try ejabberd_option:hosts() catch _:_ -> [] end,
    [try mod_muc:shutdown_rooms(H) catch _:_ -> ok end || H <- Hosts],
    Until = erlang:monotonic_time(millisecond) + 5000,
    [receive {'DOWN', M, process, _, _} -> ok after max(0, Until - erlang:monotonic_time(millisecond)) -> ok end
        || M <- Watched],
    length(Pids)
end,

Exchange = fun(Parent, Name, Aside, Missing, Fill) ->
    erlang:monitor_node(node(Parent), true),
    true = register(dysnomia_exchange, self()),
    Me = self(),
    Insert = fun(R, Wanted) ->
        T = element(1, R),
        Id = case Wanted of
            #{T := There} -> There;
            _ -> ets:new(wanted, [duplicate_bag, private, {keypos, 2}])
        end,
        ets:insert(Id, R), Wanted#{T => Id}
    end,
    Receive = fun
        Loop(Wanted) ->
            receive
                {Parent, rows, Found} ->
                    Now = lists:foldl(Insert, Wanted, Found), Parent ! {self(), more}, Loop(Now);
                {Parent, go} -> Wanted;
                {nodedown, _} -> exit(abandoned)
            end
    end,
    Wanted = Receive(#{}),
    Keys = fun
        Loop(_, '$end_of_table', Found) -> Found;
        Loop(Id, Key, Found) -> Loop(Id, ets:next(Id, Key), [Key | Found])
    end,
    KeysOf = fun(T) -> case Wanted of #{T := Id} -> Keys(Id, ets:first(Id), []); _ -> [] end end,
    RowsOf = fun(T, K) -> case Wanted of #{T := Id} -> ets:lookup(Id, K); _ -> [] end end,
    HasSeveral = fun(T) ->
        Known = KeysOf(T),
        is_map_key(T, Wanted) andalso ets:info(maps:get(T, Wanted), size) > length(Known) andalso
            lists:any(fun(K) -> [First | More] = RowsOf(T, K), lists:any(fun(R) -> R =/= First end, More) end, Known)
    end,
    Several = [T || T <- maps:keys(Wanted), HasSeveral(T)],
    [exit({several_rows, T}) || T <- Several, not lists:keymember(T, 1, Missing), mnesia:table_info(T, type) =/= bag],
    TypeOf = fun(T) -> case lists:member(T, Several ++ [archive_msg, offline_msg, sr_user]) of
        true -> bag;
        false -> set
    end end,
    [{atomic, ok} = mnesia:create_table(T, [{type, TypeOf(T)}, {disc_copies, [node()]} | Options])
        || {T, Options} <- Missing],
    case lists:member(dysnomia_exchange, mnesia:system_info(local_tables)) of
        true -> ok;
        false -> {atomic, ok} = mnesia:create_table(dysnomia_exchange,
            [{disc_copies, [node()]}, {attributes, [name, moment]}])
    end,
    Names = Tables(),
    ok = mnesia:wait_for_tables([dysnomia_exchange | Names], 60000),
    Closed = if Fill -> 0; true -> Quiet() end,
    Collector = spawn_link(fun() ->
        [mnesia:subscribe({table, T, detailed}) || T <- Names],
        Me ! {self(), ready},
        Collect = fun
            Loop(Events) ->
                receive
                    {mnesia_table_event, {What, T, Row, _, {dirty, _}}} -> Loop([{What, T, Row} | Events]);
                    {mnesia_table_event, _} -> Loop(Events);
                    {Me, stop} -> Me ! {self(), events, lists:reverse(Events)}
                end
        end,
        Collect([])
    end),
    receive {Collector, ready} -> ok end,
    {ok, File} = file:open(Aside, [write, raw, {delayed_write, 1 bsl 18, 2000}]),
    ok = file:change_mode(Aside, 8#600),
    Put = fun(Found) -> ok = file:write(File, [io_lib:format("~0p.~n", [Row]) || Row <- Found]) end,
    Done = mnesia:transaction(fun() ->
        [mnesia:write_lock_table(T) || T <- Names],
        Fill andalso [mnesia:abort(holds_rows) || T <- Names, is_map_key(T, Wanted), mnesia:table_info(T, size) > 0],
        {ok, 0} = file:position(File, 0), ok = file:truncate(File),
        All(Names, Put), ok = file:sync(File),
        [begin
            Record = mnesia:table_info(T, record_name),
            As = fun(Row) -> setelement(1, Row, Record) end,
            % Not sorted: 1 and 1.0 are two keys, and would become one.
            Both = maps:from_list([{K, 1} || K <- mnesia:all_keys(T) ++ KeysOf(T)]),
            [begin
                There = mnesia:read(T, K, write),
                Want = [As(Row) || Row <- RowsOf(T, K)],
                ThereSet = maps:from_list([{Row, 1} || Row <- There]),
                WantSet = maps:from_list([{Row, 1} || Row <- Want]),
                Gone = [Row || Row <- There, not is_map_key(Row, WantSet)],
                New = [Row || Row <- Want, not is_map_key(Row, ThereSet)],
                [mnesia:delete_object(T, Row, write) || Row <- Gone],
                [mnesia:write(T, Row, write) || Row <- New],
                After = maps:from_list([{Row, 1} || New =/= [], Row <- mnesia:read(T, K, write)]),
                lists:all(fun(Row) -> is_map_key(Row, After) end, New) orelse mnesia:abort({not_as_wanted, T})
            end || K <- maps:keys(Both)]
        end || T <- Names, not Fill orelse is_map_key(T, Wanted)],
        mnesia:write({dysnomia_exchange, Name, erlang:system_time(second)})
    end),
    file:close(File),
    mnesia:sync_log(),
    try ejabberd_admin:clear_cache() catch _:_ -> ok end,
    Again = if Fill -> 0; true -> Quiet() end,
    Collector ! {Me, stop},
    Events = receive {Collector, events, Found} -> Found end,
    Late = [begin
        Type = mnesia:table_info(T, type),
        {What, Type, setelement(1, Row, T)}
    end || {What, T, Row} <- Events, lists:member(What, [write, delete])],
    Happens = case Done of {atomic, _} -> Late; _ -> [] end,
    if
        Happens =:= [] -> ok;
        true ->
            {ok, Beside} = file:open(Aside ++ ".late", [write, raw]),
            ok = file:change_mode(Aside ++ ".late", 8#600),
            Defined = [Definition(T) || T <- lists:usort([element(1, Row) || {_, _, Row} <- Happens])],
            ok = file:write(Beside, [io_lib:format("~0p.~n", [One]) || One <- [{tables, Defined} | Happens]]),
            ok = file:sync(Beside), ok = file:close(Beside)
    end,
    Parent ! {self(), done, Done, Closed + Again, length(Happens)}
end,

Happened = fun(Name) ->
    Wait = fun
        Loop(0) -> running;
        Loop(Count) ->
            case whereis(dysnomia_exchange) of
                undefined -> ok;
                _ -> timer:sleep(50), Loop(Count - 1)
            end
    end,
    case Wait(6000) of
        running -> running;
        ok ->
            case lists:member(dysnomia_exchange, mnesia:system_info(local_tables)) of
                false -> false;
                true ->
                    mnesia:wait_for_tables([dysnomia_exchange], 60000),
                    mnesia:dirty_read(dysnomia_exchange, Name) =/= []
            end
    end
end,

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
    {"forget", []} ->
        rpc:call(Node, mnesia, delete_table, [dysnomia_exchange]);
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
