"""How the server's tables are read: Erlang source, evaluated at its node. A part of ``program``."""

from __future__ import annotations

READING = r"""
Tables = fun() ->
    lists:sort([T || T <- mnesia:system_info(local_tables), T =/= schema, T =/= dysnomia_exchange,
        lists:member(mnesia:table_info(T, storage_type), [disc_copies, disc_only_copies])])
end,
Definition = fun(T) ->
    {T, [{record_name, mnesia:table_info(T, record_name)}, {attributes, mnesia:table_info(T, attributes)}]}
end,
Full = fun(Names) -> [T || T <- Names, mnesia:table_info(T, size) > 0] end,
% Others write while this reads, and no lock keeps some of them waiting. dets writes a row anew with all that stand in
% its slot, wherever there is room in the file: what reads in the order of the file (dets:select, dets:traverse) misses
% rows that were there all the time, in a fixed table too. So slot by slot, and those are the same until it is let go.
% Many readers ask at the same time: dets writes what waits to be written before it answers, once for all that ask.
Rows = fun(T, Hand) ->
    Chunks = fun
        Next({Found, More}) -> Hand(Found), Next(ets:select(More));
        Next('$end_of_table') -> ok
    end,
    Readers = 64,
    Slots = fun(Asking, Turn) ->
        Give = fun(What, Found) -> Asking ! {self(), Turn, What, Found}, receive {Turn, more} -> ok end end,
        fun Next(Slot, Waiting) ->
            case dets:slot(T, Slot) of
                '$end_of_table' -> Give(last, Waiting);
                Found when is_list(Found), length(Found) + length(Waiting) >= 4 ->
                    Give(rows, Found ++ Waiting), Next(Slot + Readers, []);
                Found when is_list(Found) -> Next(Slot + Readers, Found ++ Waiting);
                Failed -> Give(failed, Failed)
            end
        end
    end,
    Gather = fun
        Next(_, 0) -> ok;
        Next(Turn, Left) ->
            receive
                {_, Turn, failed, Failed} -> exit(Failed);
                {Slotted, Turn, What, Found} ->
                    Hand(Found), Slotted ! {Turn, more}, Next(Turn, case What of last -> Left - 1; rows -> Left end)
            end
    end,
    All = fun(Asking, Turn) ->
        Reading = [spawn_link(fun() -> (Slots(Asking, Turn))(First, []) end) || First <- lists:seq(0, Readers - 1)],
        try Gather(Turn, Readers) after [begin unlink(One), exit(One, kill) end || One <- Reading] end
    end,
    case mnesia:table_info(T, storage_type) of
        disc_only_copies ->
            dets:safe_fixtable(T, true),
            try All(self(), make_ref()) after dets:safe_fixtable(T, false) end;
        _ ->
            ets:safe_fixtable(T, true),
            try Chunks(ets:select(T, [{'_', [], ['$_']}], 64)) after ets:safe_fixtable(T, false) end
    end
end,
Named = fun(T, Found) -> [setelement(1, Row, T) || Row <- Found] end,

Dump = fun(Parent) ->
    erlang:monitor_node(node(Parent), true),
    Hand = fun(Found) ->
        Parent ! {self(), Found},
        receive {Parent, more} -> ok; {nodedown, _} -> exit(abandoned) end
    end,
    Done = mnesia:transaction(fun() ->
        Names = Tables(), [mnesia:read_lock_table(T) || T <- Names],
        Here = Full(Names),
        Hand([{tables, [Definition(T) || T <- Here]}]),
        [Rows(T, fun(Found) -> Hand(Named(T, Found)) end) || T <- Here]
    end),
    Parent ! {self(), done, Done}
end,

"""
