"""Apollo iOS and Apollo Kotlin on the wire: the bytes that they send, in their order, for the examples' operations.

Read off their sources. Apollo iOS 2: WebSocketTransport, WebSocketMessage, JSONRequestBodyCreator and
ClientAwarenessMetadata. Apollo Kotlin 5: GraphQLWsProtocol, SubscribableWebSocket (of the package `network.websocket`)
and RequestParameters.
"""

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    print_ast,
    strip_ignored_characters,
    visit,
)
from graphql.language import DocumentNode, FragmentSpreadNode, Visitor
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

EXAMPLES = Path(__file__).parents[2] / "examples"
OPERATIONS = {
    "Apollo iOS": EXAMPLES / "apollo-ios/graphql/operations.graphql",
    "Apollo Kotlin": EXAMPLES / "apollo-kotlin/src/main/graphql/operations.graphql",
}
LIBRARY = {"Apollo iOS": ("apollo-ios", "2.4.0"), "Apollo Kotlin": ("apollo-kotlin", "5.0.1")}
# Both take parts, too, in an answer to a query: for @defer.
ACCEPT = {
    "Apollo iOS": "multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json",
    "Apollo Kotlin": "multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json",
}


class _Spreads(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.names.add(node.name.value)


class _Typenames(Visitor):
    """Both generators ask for `__typename` beside whatever is asked for."""

    def leave_selection_set(
        self, node: SelectionSetNode, _key: Any, parent: Any, *_: Any
    ) -> SelectionSetNode | None:
        if isinstance(parent, OperationDefinitionNode):
            return None
        typename = FieldNode(name=NameNode(value="__typename"), arguments=(), directives=())
        return SelectionSetNode(selections=(typename, *node.selections))


def documents(client: str) -> dict[str, str]:
    """What stands in the generated code as each operation's document, by the operation's name."""
    document = parse(OPERATIONS[client].read_text("utf-8"), no_location=True)
    fragments = [one for one in document.definitions if isinstance(one, FragmentDefinitionNode)]
    found = {}
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            spreads = _Spreads()
            visit(operation, spreads)
            used = [one for one in fragments if one.name.value in spreads.names]
            whole = visit(DocumentNode(definitions=(operation, *used)), _Typenames())
            assert operation.name is not None
            found[operation.name.value] = strip_ignored_characters(print_ast(whole))
    return found


def body(client: str, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
    """What asks for an operation, in the body of a request and in the payload of `subscribe` alike."""
    name, version = LIBRARY[client]
    return {
        "operationName": operation,
        "variables": variables,
        "query": documents(client)[operation],
        "extensions": {"clientLibrary": {"name": name, "version": version}},
    }


@dataclass
class Phone:
    """One websocket of one of the two."""

    client: str
    connection: ClientConnection
    ids: dict[str, str] = field(default_factory=dict)

    async def send(self, message: dict[str, Any]) -> None:
        """Apollo Kotlin sends text; Apollo iOS sends the same JSON in binary frames."""
        text = json.dumps(message, separators=(",", ":"))
        await self.connection.send(text.encode() if self.client == "Apollo iOS" else text)

    async def receive(self) -> dict[str, Any]:
        """The next message, whatever it is."""
        return cast("dict[str, Any]", json.loads(await self.connection.recv()))

    async def closed(self) -> int | None:
        """The code that the server closes with, sooner or later; None: it says nothing."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd is not None else None

    async def init(self, key: str) -> None:
        """As soon as the socket is open, before anything else."""
        await self.send({"type": "connection_init", "payload": {"authorization": f"Bearer {key}"}})

    async def begin(self, operation: str, variables: dict[str, Any]) -> None:
        """After the `connection_ack`: Apollo iOS counts its operations, Apollo Kotlin has a UUID for each."""
        kotlin = self.client == "Apollo Kotlin"
        id_ = str(uuid.uuid4()) if kotlin else str(len(self.ids) + 1)
        self.ids[id_] = operation
        await self.send(
            {"type": "subscribe", "id": id_, "payload": body(self.client, operation, variables)}
        )

    async def next(self, operation: str) -> dict[str, Any]:
        """The data of the next event of this operation; those of others are passed over, pings are answered."""
        while True:
            message = await self.receive()
            if message["type"] == "ping":
                await self.send({"type": "pong"})
                continue
            assert message["type"] == "next", message
            if self.ids[message["id"]] == operation:
                assert "errors" not in message["payload"]
                return cast("dict[str, Any]", message["payload"]["data"])

    async def end(self, operation: str) -> None:
        """As when its collector is cancelled, or its task."""
        id_ = next(id_ for id_, name in self.ids.items() if name == operation)
        await self.send({"type": "complete", "id": id_})
