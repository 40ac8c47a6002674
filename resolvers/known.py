"""Documents that were asked before: parsed and validated once, and found again by their text.

Strawberry's own caches do the same in two steps, and the second one finds a document by a hash over its whole AST: a
third of a millisecond for that of a report page, with every request.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Iterator
from weakref import WeakValueDictionary

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.types.execution import ParseOptions

from gql_server.errors import PublicError
from resolvers.limits import MOST_CHARACTERS, MOST_ERRORS
from resolvers.weighing import Weights

MOST = 256
REST = 3.0
"""Times as long as the reading took, in which nothing else of the same reader is read."""
LONGEST_ALL = 1_000_000
"""Characters of all that are kept; an AST takes a hundred times the memory of its text."""


class Known:
    """A document, and what was found out about it."""

    def __init__(self, document: DocumentNode) -> None:
        self.document = document
        #: None: not validated yet
        self.errors: list[GraphQLError] | None = None
        #: None: not weighed yet; a text: what is told, with TOO_COMPLEX
        self.weights: Weights | str | None = None


class Documents:
    """Those that were asked lately, the oldest forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._characters = 0
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.parsed = 0
        """How many were not known."""
        self.validated = 0

    def knows(self, text: str) -> bool:
        """Whether it need not be read anew."""
        return text in self._known

    def weighed(self, schema: GraphQLSchema, text: str, options: ParseOptions) -> Weights:
        """What the operations of the document of this text ask for.

        :raises GraphQLError: it is no document.
        :raises PublicError: TOO_COMPLEX.
        """
        found = self.known(text, options)
        if found.weights is None:
            try:
                found.weights = Weights(schema, found.document)
            except PublicError as refusal:
                found.weights = refusal.message
        if isinstance(found.weights, str):
            # A new one each time: an exception keeps the frames that it went through, and so all that was asked.
            raise PublicError(found.weights, "TOO_COMPLEX")
        return found.weights

    async def read_anew(
        self, schema: GraphQLSchema, text: str, options: ParseOptions, reader: str
    ) -> None:
        """Do all that is done to a document once, in its reader's turn.

        One after the other of each reader's, with a rest after each: it is done at one go, while everybody else
        waits, so that many at once would be one long pause for all.

        :raises GraphQLError: it is no document. What the rules of GraphQL have against it is told later.
        :raises PublicError: TOO_COMPLEX.
        """
        turn = self._turns.get(reader)
        if turn is None:
            turn = self._turns[reader] = asyncio.Lock()
        await turn.acquire()
        began = time.perf_counter()
        try:
            # Somebody may have sent the same meanwhile.
            if not self.knows(text):
                self.weighed(schema, text, options)
                self.check(schema, self.known(text, options))
        finally:
            # The next one waits, and not who has just been served.
            rest = REST * (time.perf_counter() - began)
            asyncio.get_running_loop().call_later(rest, turn.release)

    def check(self, schema: GraphQLSchema, known: Known) -> list[GraphQLError]:
        """What the rules of GraphQL have against a document."""
        if known.errors is None:
            self.validated += 1
            known.errors = validate(schema, known.document, specified_rules, max_errors=MOST_ERRORS)
        return known.errors

    def operation(self, text: str, name: str | None) -> OperationDefinitionNode | None:
        """The operation of this name, or the only one, of a document that is known; None where there is none."""
        known = self._known.get(text)
        if known is None:
            return None
        found = [d for d in known.document.definitions if isinstance(d, OperationDefinitionNode)]
        chosen = [d for d in found if not name or (d.name and d.name.value == name)]
        return chosen[0] if len(chosen) == 1 else None

    def known(self, text: str, options: ParseOptions) -> Known:
        """The document of this text.

        :raises GraphQLError: it is none.
        """
        found = self._known.get(text)
        if found is not None:
            self._known.move_to_end(text)
            return found
        if len(text) > MOST_CHARACTERS:
            raise GraphQLError(
                f"A document has at most {MOST_CHARACTERS:,} characters; long texts are variables.",
                extensions={"code": "GRAPHQL_PARSE_FAILED"},
            )
        self.parsed += 1
        found = Known(parse(text, **options))
        self._known[text] = found
        self._characters += len(text)
        while len(self._known) > MOST or (self._characters > LONGEST_ALL and len(self._known) > 1):
            forgotten, _ = self._known.popitem(last=False)
            self._characters -= len(forgotten)
        return found


class Knowing(SchemaExtension):
    """Takes a document that is known as it is.

    One that cannot be parsed is left to Strawberry: an error that is raised in here would pass by everything that gives
    it its code, and over a websocket by the client as well.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._known: Known | None = None

    def on_parse(self) -> Iterator[None]:
        """Set the document, where there is one."""
        context = self.execution_context
        if context.query and context.graphql_document is None:
            with contextlib.suppress(GraphQLError):
                self._known = self._documents.known(context.query, context.parse_options)
                context.graphql_document = self._known.document
        yield

    def on_validate(self) -> Iterator[None]:
        """Say what is wrong with it, where that is known."""
        context, known = self.execution_context, self._known
        if known is not None and context.graphql_document is known.document:
            context.pre_execution_errors = self._documents.check(context.schema._schema, known)
        yield
