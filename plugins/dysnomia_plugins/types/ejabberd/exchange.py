"""How rows are exchanged: Erlang source, evaluated at the server's node. A part of ``program``.

All tables are locked for writing. A write without a transaction ("dirty") goes around locks: it is first told to those
who subscribed to its table, then made. So that none is lost, in this order: lock, subscribe, wait until who has begun
one before that is through (it is in the table by then), read each table once, and delete exactly what was read. What
is written later stays, or is overwritten by a wanted row of its key and is in the notes.

Sources: mnesia_tm.erl (dirty, do_update_op) and mnesia_subscr.erl of Erlang/OTP 25.
"""

from __future__ import annotations

EXCHANGE = r"""
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
    Insert = fun(R, {Wanted, Several}) ->
        T = element(1, R),
        {Known, Keys} = Here = case Wanted of
            #{T := There} -> There;
            _ -> {ets:new(wanted, [set, private]), ets:new(keys, [set, private])}
        end,
        Again = ets:insert_new(Known, {R, none}) andalso not ets:insert_new(Keys, {element(2, R)}),
        {Wanted#{T => Here}, if Again -> Several#{T => 1}; true -> Several end}
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
    {Wanted, SeveralOf} = Receive({#{}, #{}}),
    Several = maps:keys(SeveralOf),
    [ets:delete(Keys) || {_, Keys} <- maps:values(Wanted)],
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
    Types = maps:from_list([{T, mnesia:table_info(T, type)} || T <- Names]),
    % Each write without a transaction is noted as it is heard, a line each: what is noted stays where the server dies.
    {Collector, Watch} = spawn_monitor(fun() ->
        Parents = erlang:monitor(process, Me),
        {ok, Notes} = file:open(Aside ++ ".late", [write, raw]),
        ok = file:change_mode(Aside ++ ".late", 8#600),
        Note = fun(Forms) -> ok = file:write(Notes, [io_lib:format("~0p.~n", [One]) || One <- Forms]) end,
        Collect = fun
            Loop(Count) ->
                receive
                    {mnesia_table_event, {What, T, Row, _, {dirty, _}}} when What =:= write; What =:= delete ->
                        Note([{What, maps:get(T, Types), setelement(1, Row, T)}]), Loop(Count + 1);
                    {mnesia_table_event, _} -> Loop(Count);
                    {Me, anew} ->
                        {ok, 0} = file:position(Notes, 0), ok = file:truncate(Notes),
                        Note([{tables, [Definition(T) || T <- Names]}]),
                        [{ok, _} = mnesia:subscribe({table, T, detailed}) || T <- Names, Count =:= none],
                        Me ! {self(), ready}, Loop(0);
                    {Me, stop} -> ok = file:sync(Notes), ok = file:close(Notes), Me ! {self(), noted, Count};
                    {'DOWN', Parents, process, _, _} -> ok
                end
        end,
        Collect(none)
    end),
    % A write without a transaction is told to whom it concerns, and then made, by the process that wants it
    % (mnesia_tm:dirty): who has begun one comes to its end here.
    Settle = fun() ->
        Writes = fun(P) ->
            case erlang:process_info(P, current_stacktrace) of
                {_, Calls} -> [1 || {mnesia_tm, F, _, _} <- Calls,
                    lists:member(F, [dirty, do_dirty, do_commit, do_update, do_update_op])] =/= [];
                undefined -> false
            end
        end,
        Wait = fun
            Loop([], _) -> ok;
            Loop(Left, Until) ->
                case erlang:monotonic_time(millisecond) > Until of
                    true -> mnesia:abort(writes_without_end);
                    false -> erlang:yield(), Loop([P || P <- Left, Writes(P)], Until)
                end
        end,
        Wait([P || P <- processes(), P =/= Me, Writes(P)], erlang:monotonic_time(millisecond) + 10000)
    end,
    {ok, File} = file:open(Aside, [write, raw, {delayed_write, 1 bsl 18, 2000}]),
    ok = file:change_mode(Aside, 8#600),
    {ok, Folder} = file:open(filename:dirname(Aside), [read, raw, directory]),
    ok = file:sync(Folder), ok = file:close(Folder),
    Put = fun(Found) -> ok = file:write(File, [io_lib:format("~0p.~n", [Row]) || Row <- Found]) end,
    % Exactly those rows go that were set aside, and they are read once: one that comes after it was looked for stays.
    % One that is written to a key that gets a wanted row is overwritten, and noted.
    Make = fun(T, HadRows) ->
        Record = mnesia:table_info(T, record_name),
        Type = mnesia:table_info(T, type),
        As = fun(Row) -> setelement(1, Row, Record) end,
        Turn = make_ref(),
        Stays = case Wanted of
            #{T := {Known, _}} -> fun(Row) -> ets:update_element(Known, Row, {2, Turn}) end;
            _ -> fun(_) -> false end
        end,
        HadRows andalso Rows(T, fun(Found) ->
            Here = Named(T, Found),
            Put(Here),
            [mnesia:delete_object(T, As(Row), write) || Row <- Here, not Stays(Row)]
        end),
        New = fun
            Loop('$end_of_table') -> ok;
            Loop({Found, More}) ->
                [begin
                    mnesia:write(T, As(Row), write),
                    Type =:= bag orelse mnesia:read(T, element(2, Row), write) =:= [As(Row)]
                        orelse mnesia:abort({not_as_wanted, T})
                end || Row <- Found],
                Loop(ets:select(More))
        end,
        case Wanted of
            #{T := {Rest, _}} -> New(ets:select(Rest, [{{'$1', '$2'}, [{'=/=', '$2', {const, Turn}}], ['$1']}], 64));
            _ -> ok
        end
    end,
    Done = mnesia:transaction(fun() ->
        [mnesia:write_lock_table(T) || T <- Names],
        Fill andalso [mnesia:abort(holds_rows) || T <- Names, is_map_key(T, Wanted), mnesia:table_info(T, size) > 0],
        {ok, 0} = file:position(File, 0), ok = file:truncate(File),
        Collector ! {Me, anew},
        receive {Collector, ready} -> ok; {'DOWN', Watch, process, _, _} -> mnesia:abort(not_noted) end,
        Settle(),
        Before = Full(Names),
        Put([{tables, [Definition(T) || T <- Before]}]),
        [Make(T, lists:member(T, Before)) || T <- Names, not Fill orelse is_map_key(T, Wanted)],
        ok = file:sync(File),
        mnesia:write({dysnomia_exchange, Name, erlang:system_time(second)})
    end),
    Collector ! {Me, stop},
    Late = receive {Collector, noted, Count} -> Count; {'DOWN', Watch, process, _, _} -> incomplete end,
    file:close(File),
    mnesia:sync_log(),
    try ejabberd_admin:clear_cache() catch _:_ -> ok end,
    Again = if Fill -> 0; true -> Quiet() end,
    unregister(dysnomia_exchange),
    Parent ! {self(), done, Done, Closed + Again, Late}
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

% Those of other jobs stay: they say what became of these.
Forget = fun(Name) ->
    case lists:member(dysnomia_exchange, mnesia:system_info(local_tables)) of
        false -> ok;
        true ->
            mnesia:transaction(fun() -> mnesia:delete({dysnomia_exchange, Name}) end),
            mnesia:table_info(dysnomia_exchange, size) =:= 0 andalso whereis(dysnomia_exchange) =:= undefined
                andalso mnesia:delete_table(dysnomia_exchange)
    end
end,

"""
