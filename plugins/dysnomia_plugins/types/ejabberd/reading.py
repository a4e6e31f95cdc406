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
Rows = fun(T, Hand) ->
    Chunks = fun
        Next({Found, More}) -> Hand(Found), Next(ets:select(More));
        Next('$end_of_table') -> ok
    end,
    Slots = fun Next(Slot, Waiting) ->
        case dets:slot(T, Slot) of
            '$end_of_table' -> Hand(Waiting);
            [_ | _] = Found when length(Found) + length(Waiting) >= 64 -> Hand(Found ++ Waiting), Next(Slot + 1, []);
            Found when is_list(Found) -> Next(Slot + 1, Found ++ Waiting)
        end
    end,
    case mnesia:table_info(T, storage_type) of
        disc_only_copies ->
            dets:safe_fixtable(T, true),
            try Slots(0, []) after dets:safe_fixtable(T, false) end;
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
