"""How definitions are read: Erlang source, evaluated at the server's node. A part of ``program``.

``Look`` says what one of them is, ``Everything`` all of a virtual host's, each with a number that another state of it
does not have: a change is made only where that is still so.
"""

from __future__ import annotations

READING = r"""
% Never the terms themselves: they may be passwords.
Why = fun
    Deep({'EXIT', Reason}) -> Deep(Reason);
    Deep({error_string, Text}) -> {text, iolist_to_binary(Text)};
    Deep({amqp_error, Kind, Text, _}) when is_atom(Kind) -> {text, iolist_to_binary(Text)};
    Deep({protocol_error, _, Format, Data}) -> {text, iolist_to_binary(io_lib:format(Format, Data))};
    Deep({error, Reason}) -> Deep(Reason);
    Deep({resources_missing, _}) -> resources_missing;
    Deep({Kind, More}) when is_atom(Kind), is_atom(More) -> {Kind, More};
    Deep({Kind, [{M, F, _, _} | _]}) when is_atom(Kind) -> {Kind, M, F};
    Deep({Reason, [{M, F, _, _} | _]}) when is_tuple(Reason) -> {element(1, Reason), M, F};
    Deep(Kind) when is_atom(Kind) -> Kind;
    Deep(Other) when is_tuple(Other), is_atom(element(1, Other)) -> element(1, Other);
    Deep(_) -> unknown
end,

QueueFacts = fun(Q) ->
    {amqqueue:is_durable(Q), amqqueue:is_auto_delete(Q), amqqueue:get_exclusive_owner(Q) =/= none,
     amqqueue:get_arguments(Q)}
end,
ExchangeFacts = fun(X) ->
    [Type, Durable, AutoDelete, Internal, Arguments] =
        [One || {_, One} <- rabbit_exchange:info(X, [type, durable, auto_delete, internal, arguments])],
    {Type, Durable, AutoDelete, Internal, Arguments}
end,
PolicyFacts = fun(P) ->
    {proplists:get_value(pattern, P), proplists:get_value('apply-to', P), proplists:get_value(definition, P),
     proplists:get_value(priority, P)}
end,
PermissionFacts = fun(P) ->
    {proplists:get_value(configure, P), proplists:get_value(write, P), proplists:get_value(read, P)}
end,
TopicFacts = fun(P) -> {proplists:get_value(write, P), proplists:get_value(read, P)} end,
UserFacts = fun(U) ->
    Hash = internal_user:get_password_hash(U),
    {if is_binary(Hash) -> Hash; true -> <<>> end,
     atom_to_binary(rabbit_auth_backend_internal:hashing_module_for_user(U), utf8),
     [atom_to_binary(Tag, utf8) || Tag <- internal_user:get_tags(U)], internal_user:get_limits(U)}
end,
VHostFacts = fun(V) ->
    Record = rabbit_vhost:lookup(V),
    Own = vhost:get_metadata(Record),
    Metadata = case Own of undefined -> #{}; _ -> Own end,
    {maps:filter(fun(_, Value) -> Value =/= undefined end, Metadata), rabbit_vhost_limit:list(V)}
end,
% A durable queue of a node that is down is not found by its name, and cannot be deleted, but is still defined.
IsDown = fun({resource, V, queue, _} = R) ->
    case [Q || Q <- rabbit_amqqueue:list_down(V), amqqueue:get_name(Q) =:= R] of [Q | _] -> {true, Q}; [] -> false end
end,
Look = fun
    (V, queue, {N}) ->
        R = rabbit_misc:r(V, queue, N),
        case rabbit_amqqueue:lookup(R) of
            {ok, Q} -> QueueFacts(Q);
            _ -> case IsDown(R) of {true, Q} -> QueueFacts(Q); false -> absent end
        end;
    (V, exchange, {N}) ->
        case rabbit_exchange:lookup(rabbit_misc:r(V, exchange, N)) of {ok, X} -> ExchangeFacts(X); _ -> absent end;
    (V, policy, {N}) -> case rabbit_policy:lookup(V, N) of not_found -> absent; P -> PolicyFacts(P) end;
    (V, operator_policy, {N}) -> case rabbit_policy:lookup_op(V, N) of not_found -> absent; P -> PolicyFacts(P) end;
    (V, parameter, {C, N}) ->
        case rabbit_runtime_parameters:lookup(V, C, N) of
            not_found -> absent;
            P -> proplists:get_value(value, P)
        end;
    (V, permission, {U}) ->
        case catch rabbit_auth_backend_internal:list_user_vhost_permissions(U, V) of
            [P | _] -> PermissionFacts(P);
            _ -> absent
        end;
    (V, topic_permission, {U, X}) ->
        All = case catch rabbit_auth_backend_internal:list_user_vhost_topic_permissions(U, V) of
            L when is_list(L) -> L;
            _ -> []
        end,
        case [P || P <- All, proplists:get_value(exchange, P) =:= X] of [P | _] -> TopicFacts(P); _ -> absent end;
    (_, user, {N}) ->
        case rabbit_auth_backend_internal:lookup_user(N) of {ok, U} -> UserFacts(U); _ -> absent end;
    (V, vhost, {}) -> VHostFacts(V)
end,
Everything = fun(V) ->
    case rabbit_vhost:exists(V) of
        false -> absent;
        true ->
            Fact = fun(Kind, Key, Value) -> {Kind, Key, erlang:phash2(Value, 1 bsl 32), Value} end,
            Name = fun({resource, _, _, N}) -> N end,
            Permissions = rabbit_auth_backend_internal:list_vhost_permissions(V),
            Topics = rabbit_auth_backend_internal:list_vhost_topic_permissions(V),
            Users = lists:usort([proplists:get_value(user, P) || P <- Permissions ++ Topics]),
            Queues = rabbit_amqqueue:list(V),
            Here = maps:from_list([{amqqueue:get_name(Q), 1} || Q <- Queues]),
            Down = [Q || Q <- rabbit_amqqueue:list_down(V), not maps:is_key(amqqueue:get_name(Q), Here)],
            lists:append([
                [Fact(vhost, {}, VHostFacts(V))],
                [Fact(queue, {Name(amqqueue:get_name(Q))}, QueueFacts(Q)) || Q <- Queues ++ Down],
                [Fact(exchange, {Name(proplists:get_value(name, rabbit_exchange:info(X, [name])))}, ExchangeFacts(X))
                    || X <- rabbit_exchange:list(V)],
                [Fact(binding, {Name(S), K, T, Name(D)}, A)
                    || {binding, S, K, {resource, _, T, _} = D, A} <- rabbit_binding:list(V), Name(S) =/= <<>>],
                [Fact(policy, {proplists:get_value(name, P)}, PolicyFacts(P)) || P <- rabbit_policy:list(V)],
                [Fact(operator_policy, {proplists:get_value(name, P)}, PolicyFacts(P))
                    || P <- rabbit_policy:list_op(V)],
                [Fact(parameter, {proplists:get_value(component, P), proplists:get_value(name, P)},
                    proplists:get_value(value, P)) || P <- rabbit_runtime_parameters:list(V),
                    not lists:member(proplists:get_value(component, P),
                        [<<"policy">>, <<"operator_policy">>, <<"vhost-limits">>,
                         <<"exchange-delete-in-progress">>, <<"imported_definition_hash_value">>])],
                [Fact(permission, {proplists:get_value(user, P)}, PermissionFacts(P)) || P <- Permissions],
                [Fact(topic_permission, {proplists:get_value(user, P), proplists:get_value(exchange, P)},
                    TopicFacts(P)) || P <- Topics],
                [Fact(user, {U}, Look(V, user, {U})) || U <- Users, Look(V, user, {U}) =/= absent]
            ])
    end
end,

% What a queue holds now: what its process says, not what was written down of it some seconds ago. Where nobody says,
% that is unknown.
Depth = fun(Q) ->
    Told = fun(Items) -> case catch rabbit_amqqueue:info(Q, Items) of
        Pairs when is_list(Pairs) -> [if is_integer(N) -> N; true -> 0 end || {_, N} <- Pairs];
        _ -> unknown
    end end,
    case {amqqueue:get_type(Q), Told([messages_ready, messages_unacknowledged, consumers])} of
        {_, unknown} -> unknown;
        {rabbit_classic_queue, [Ready, Unacked, Consumers]} -> {Ready, Unacked, Consumers};
        {rabbit_quorum_queue, [Ready, Unacked, Consumers]} ->
            case catch ra:leader_query(amqqueue:get_pid(Q), fun rabbit_fifo:query_messages_total/1) of
                {ok, {_, Total}, _} when is_integer(Total) ->
                    Held = min(Unacked, Total),
                    {Total - Held, Held, Consumers};
                _ -> unknown
            end;
        {rabbit_stream_queue, [Ready, _, Consumers]} ->
            case catch rabbit_stream_queue:info(Q, [committed_offset]) of
                [{_, Offset}] when is_integer(Offset) -> {max(Ready, Offset + 1), 0, Consumers};
                _ -> unknown
            end;
        {_, [Ready, Unacked, Consumers]} -> {Ready, Unacked, Consumers}
    end
end,
Depths = fun(V) ->
    case rabbit_vhost:exists(V) of
        false -> [];
        true ->
            Up = rabbit_amqqueue:list(V),
            Names = maps:from_list([{amqqueue:get_name(Q), 1} || Q <- Up]),
            [{element(4, amqqueue:get_name(Q)), amqqueue:get_type(Q), Depth(Q)} || Q <- Up] ++
                [{element(4, amqqueue:get_name(Q)), amqqueue:get_type(Q), unknown}
                    || Q <- rabbit_amqqueue:list_down(V), not maps:is_key(amqqueue:get_name(Q), Names)]
    end
end,
% Patterns are tried by the server, as it does itself.
Matches = fun(Patterns, Names) ->
    [case re:compile(P) of
        {ok, R} -> [N || N <- Names, re:run(N, R, [{capture, none}]) =:= match];
        _ -> invalid
    end || P <- Patterns]
end,
Lacking = fun(Names) -> [N || N <- Names, not rabbit_auth_backend_internal:exists(N)] end,
Count = fun(F) -> case catch F() of N when is_integer(N) -> N; _ -> 0 end end,
Host = fun(V) ->
    {rabbit_vhost:exists(V), Count(fun() -> length(rabbit_amqqueue:list(V)) end),
     Count(fun() -> length(rabbit_connection_tracking:list(V)) end)}
end,
List = fun() -> [{V, Count(fun() -> length(rabbit_amqqueue:list(V)) end)} || V <- rabbit_vhost:list_names()] end,
Status = fun() ->
    Kinds = fun(Class) -> [atom_to_binary(T, utf8) || {T, _} <- rabbit_registry:lookup_all(Class)] end,
    {case catch rabbit:product_version() of
        {'EXIT', _} -> unknown;
        Version -> iolist_to_binary(Version)
     end,
     [atom_to_binary(N, utf8) || N <- rabbit_nodes:all()],
     [atom_to_binary(N, utf8) || N <- rabbit_nodes:all_running()],
     [atom_to_binary(N, utf8) || N <- rabbit_node_monitor:partitions()],
     Kinds(exchange), Kinds(runtime_parameter), Kinds(policy_validator) ++ Kinds(operator_policy_validator),
     [case One of {{resource_limit, What, _}, _} -> What; _ -> other end || One <- rabbit:alarms()]}
end,

"""
