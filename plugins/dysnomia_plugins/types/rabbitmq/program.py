"""What a short-lived Erlang node does at the server's: read the definitions of a virtual host, and change some.

It is Erlang source that ``erl`` evaluates as the server's user. Its functions are sent to the server's node, which
evaluates them: no module is loaded there and none stays. Its argument is the node's name; each line of its standard
input is a question, each line of its output the answer: terms in external format, in base64. No secret is in its words.

``{read, VHost}``, ``{list}``, ``{host, VHost}``, ``{status}``, ``{depths, VHost}``, ``{matches, [Pattern], [Name]}``,
``{lacking, [User]}``, ``{change, VHost, [Change]}``,
``{drop, VHost, Discard}``.

Sources: rabbit_definitions.erl, rabbit_amqqueue.erl, rabbit_vhost.erl… of RabbitMQ 3.10.8, rabbitmqctl(8).
"""

from __future__ import annotations

from dysnomia_plugins.types.rabbitmq.changing import CHANGING
from dysnomia_plugins.types.rabbitmq.reading import READING

DOWN, REFUSED, STOPPED, STARTING = 4, 5, 6, 7
"""How the program ends where there is no node; where it refuses us; where RabbitMQ does not run in it, or not yet."""

PROGRAM = (
    r"""
[NodeText] = init:get_plain_arguments(),
Node = list_to_atom(NodeText),
ok = io:setopts([{encoding, latin1}, binary]),
Stop = fun(Status) -> erlang:halt(Status) end,
case net_adm:ping(Node) of
    pong -> ok;
    pang ->
        case catch apply(erl_epmd, port_please, string:split(NodeText, "@") ++ [2000]) of
            {port, _, _} -> Stop(5);
            _ -> Stop(4)
        end
end,
case rpc:call(Node, rabbit, is_running, []) of
    true -> ok;
    {badrpc, nodedown} -> Stop(4);
    _ -> case rpc:call(Node, rabbit, is_booting, []) of true -> Stop(7); _ -> Stop(6) end
end,

"""
    + READING
    + CHANGING
    + r"""
On = fun(F, Arguments) ->
    case rpc:call(Node, erlang, apply, [F, Arguments]) of
        {badrpc, nodedown} -> Stop(4);
        {badrpc, Reason} -> {failed, Why(Reason)};
        Answer -> Answer
    end
end,
Answer = fun
    ({status}) -> On(Status, []);
    ({list}) -> On(List, []);
    ({host, V}) -> On(Host, [V]);
    ({read, V}) -> On(Everything, [V]);
    ({depths, V}) -> On(Depths, [V]);
    ({matches, Patterns, Names}) -> On(Matches, [Patterns, Names]);
    ({lacking, Names}) -> On(Lacking, [Names]);
    ({change, V, Changes}) -> On(ChangeAll, [V, Changes]);
    ({drop, V, Discard}) -> On(DropVHost, [V, Discard])
end,
Loop = fun Loop() ->
    case io:get_line("") of
        Line when is_binary(Line) ->
            Question = binary_to_term(base64:decode(binary:part(Line, 0, byte_size(Line) - 1))),
            io:put_chars([base64:encode(term_to_binary(Answer(Question))), "\n"]),
            Loop();
        _ -> Stop(0)
    end
end,
Loop().
"""
)
