"""How definitions are changed: Erlang source, evaluated at the server's node. A part of ``program``.

A change is ``{Kind, Key, Was, Action}``; ``Was`` is the number that the definition had when it was read, ``absent``,
or ``any``. Where it is another by now, nothing is done and the answer is ``changed``. A queue that holds messages is
not deleted, unless the action says so: ``{left, Ready, Unacknowledged}``, or ``{left, unknown}``.

A queue or exchange that cannot be altered is deleted and declared again in one go, with the bindings that it has then:
those of clients too, which are in no snapshot.
"""

from __future__ import annotations

CHANGING = r"""
Who = <<"dysnomia">>,
DeleteQueue = fun(V, N, Discard) ->
    case rabbit_amqqueue:lookup(rabbit_misc:r(V, queue, N)) of
        {ok, Q} ->
            Empty = if Discard -> true; true -> Depth(Q) end,
            Classic = amqqueue:get_type(Q) =:= rabbit_classic_queue,
            case Empty of
                unknown -> {left, unknown};
                {Ready, Unacked, _} when Ready + Unacked > 0 -> {left, Ready, Unacked};
                _ ->
                    % A classic queue looks once more itself, between two messages.
                    case rabbit_amqqueue:delete(Q, false, Classic andalso not Discard, Who) of
                        {ok, _} -> done;
                        {error, not_empty} -> {left, 1, 0};
                        {error, not_found} -> done;
                        Other -> {failed, Why(Other)}
                    end
            end;
        _ -> case IsDown(rabbit_misc:r(V, queue, N)) of {true, _} -> {left, unknown}; false -> done end
    end
end,
DeclareQueue = fun(V, N, Arguments) ->
    case rabbit_amqqueue:declare(rabbit_misc:r(V, queue, N), true, false, Arguments, none, Who) of
        {new, _} -> done;
        {existing, _} -> done;
        Other -> {failed, Why(Other)}
    end
end,
DeclareExchange = fun(V, N, Type, Internal, Arguments) ->
    rabbit_exchange:declare(rabbit_misc:r(V, exchange, N), rabbit_exchange:check_type(Type), true, false, Internal,
        Arguments, Who),
    done
end,
BindingsOf = fun(R) ->
    lists:usort([B || B <- rabbit_binding:list_for_destination(R), element(4, element(2, B)) =/= <<>>] ++
        case R of {resource, _, exchange, _} -> rabbit_binding:list_for_source(R); _ -> [] end)
end,
Bind = fun(B) ->
    case rabbit_binding:add(B, Who) of
        ok -> done;
        Other -> {failed, Why(Other)}
    end
end,
Binding = fun(V, S, K, T, D, A) -> {binding, rabbit_misc:r(V, exchange, S), K, rabbit_misc:r(V, T, D), A} end,
Plain = fun
    (ok) -> done;
    ({error, Reason}) -> {failed, Why(Reason)};
    ({error_string, _} = Error) -> {failed, Why(Error)};
    (_) -> done
end,
SetPolicy = fun(F, V, N, {Pattern, Definition, Priority, ApplyTo}) ->
    Plain(rabbit_policy:F(V, N, Pattern, Definition, Priority, ApplyTo, Who))
end,
Act = fun
    (V, queue, {N}, {delete, Discard}) -> DeleteQueue(V, N, Discard);
    (V, queue, {N}, {make, Arguments}) -> DeclareQueue(V, N, Arguments);
    (V, queue, {N}, {remake, Discard, Arguments}) ->
        Bindings = BindingsOf(rabbit_misc:r(V, queue, N)),
        case DeleteQueue(V, N, Discard) of
            done ->
                Made = DeclareQueue(V, N, Arguments),
                [catch Bind(B) || B <- Bindings],
                Made;
            Other -> Other
        end;
    (V, exchange, {N}, delete) -> Plain(rabbit_exchange:delete(rabbit_misc:r(V, exchange, N), false, Who));
    (V, exchange, {N}, {make, Type, Internal, Arguments}) -> DeclareExchange(V, N, Type, Internal, Arguments);
    (V, exchange, {N}, {remake, Type, Internal, Arguments}) ->
        rabbit_exchange:check_type(Type),
        R = rabbit_misc:r(V, exchange, N),
        Bindings = BindingsOf(R),
        rabbit_exchange:delete(R, false, Who),
        DeclareExchange(V, N, Type, Internal, Arguments),
        [catch Bind(B) || B <- Bindings],
        done;
    (V, binding, {S, K, T, D}, {make, A}) -> Bind(Binding(V, S, K, T, D, A));
    (V, binding, {S, K, T, D}, {delete, A}) ->
        case rabbit_binding:remove(Binding(V, S, K, T, D, A), Who) of
            ok -> done;
            {error, binding_not_found} -> done;
            {error, {resources_missing, _}} -> done;
            Other -> {failed, Why(Other)}
        end;
    (V, policy, {N}, delete) -> Plain(rabbit_policy:delete(V, N, Who));
    (V, policy, {N}, {set, Policy}) -> SetPolicy(parse_set, V, N, Policy);
    (V, operator_policy, {N}, delete) -> Plain(rabbit_policy:delete_op(V, N, Who));
    (V, operator_policy, {N}, {set, Policy}) -> SetPolicy(parse_set_op, V, N, Policy);
    (V, parameter, {C, N}, delete) -> Plain(rabbit_runtime_parameters:clear_any(V, C, N, Who));
    (V, parameter, {C, N}, {set, Json}) -> Plain(rabbit_runtime_parameters:parse_set(V, C, N, Json, Who));
    (V, permission, {U}, delete) -> Plain(rabbit_auth_backend_internal:clear_permissions(U, V, Who));
    (V, permission, {U}, {set, C, W, R}) ->
        Plain(rabbit_auth_backend_internal:set_permissions(U, V, C, W, R, Who));
    (V, topic_permission, {U, X}, delete) ->
        Plain(rabbit_auth_backend_internal:clear_topic_permissions(U, V, X, Who));
    (V, topic_permission, {U, X}, {set, W, R}) ->
        Plain(rabbit_auth_backend_internal:set_topic_permissions(U, V, X, W, R, Who));
    (_, user, {N}, {make, Hash, Algorithm, Tags, Limits}) ->
        Plain(rabbit_auth_backend_internal:put_user(#{name => N, password_hash => base64:encode(Hash),
            hashing_algorithm => Algorithm, tags => Tags, limits => Limits}, Who));
    (V, vhost, {}, {metadata, Pairs, Tags}) ->
        Own = maps:from_list([{binary_to_existing_atom(K, utf8), X} || {K, X} <- Pairs] ++
            [{tags, [binary_to_atom(T, utf8) || T <- L]} || L <- Tags]),
        rabbit_misc:execute_mnesia_transaction(fun() -> rabbit_vhost:update_metadata(V, fun(_) -> Own end) end),
        done;
    (V, vhost, {}, {limits, clear}) -> Plain(rabbit_vhost_limit:clear(V, Who));
    (V, vhost, {}, {limits, Json}) -> Plain(rabbit_vhost_limit:parse_set(V, Json, Who))
end,
Change = fun(V, {Kind, Key, Was, Action}) ->
    try
        Now = if Was =:= any -> any; true -> Look(V, Kind, Key) end,
        Same = case Now of any -> any; absent -> absent; _ -> erlang:phash2(Now, 1 bsl 32) end,
        if Same =:= Was -> Act(V, Kind, Key, Action); true -> changed end
    catch
        _:Reason -> {failed, Why(Reason)}
    end
end,
MakeVHost = fun(V) ->
    case rabbit_vhost:exists(V) of
        true -> changed;
        false ->
            case catch rabbit_vhost:add(V, Who) of
                ok ->
                    Wait = fun
                        Loop(0) -> {failed, {text, <<"the virtual host does not start on all nodes">>}};
                        Loop(Left) ->
                            case rabbit_vhost:is_running_on_all_nodes(V) of
                                true -> done;
                                false -> timer:sleep(50), Loop(Left - 1)
                            end
                    end,
                    Wait(900);
                Other -> {failed, Why(Other)}
            end
    end
end,
% It ends at the first that did not come to be: what comes behind it may rest on it.
ChangeAll = fun(V, Changes) ->
    Each = fun
        Loop([], Done) -> lists:reverse(Done);
        Loop([{vhost, {}, absent, make} | Rest], Done) ->
            case MakeVHost(V) of
                done -> Loop(Rest, [done | Done]);
                Other -> lists:reverse([Other | Done])
            end;
        Loop([One | Rest], Done) ->
            case Change(V, One) of
                Result when Result =:= done; Result =:= changed -> Loop(Rest, [Result | Done]);
                Other -> lists:reverse([Other | Done])
            end
    end,
    Each(Changes, [])
end,
DropVHost = fun(V, Discard) ->
    case rabbit_vhost:exists(V) of
        false -> done;
        true ->
            Full = [{element(4, amqqueue:get_name(Q)), Depth(Q)} || Q <- rabbit_amqqueue:list(V), not Discard],
            case [One || {_, D} = One <- Full, case D of {0, 0, _} -> false; _ -> true end] of
                [] -> Plain(rabbit_vhost:delete(V, Who));
                [{N, {Ready, Unacked, _}} | _] -> {left, N, Ready, Unacked};
                [{N, unknown} | _] -> {left, N, unknown}
            end
    end
end,

"""
