"""Pages of CodeBuild's lists: 100 entries each, in an order that the caller may turn round."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hookline.api.listing import page_query
from hookline.api.pagination import PageTokens
from hookline.api.sigv4 import Caller
from hookline.errors import InvalidInputException, InvalidNextTokenException

_PAGE = 100


class Pages:
    """The pages of one list operation."""

    def __init__(self, tokens: PageTokens, operation: str, member: str, order: str) -> None:
        """`member` is where the output has the entries, `order` the default of `sortOrder`."""
        self._tokens = tokens
        self._operation = operation
        self._member = member
        self._order = order

    def page(
        self,
        caller: Caller,
        parameters: Mapping[str, Any],
        read: Callable[[Any, int, bool], Sequence[tuple[Any, Any]]],
        entry: Callable[[Any], str],
    ) -> Mapping[str, Any]:
        """The page that `parameters` ask for.

        `read` gives rows from a position, None for the first, their number and whether they
        descend. A row is a position for the next page; `entry` makes the entry of a row.

        Raises InvalidInputException: a token that this list did not give.
        """
        query = page_query(self._operation, parameters)
        token = parameters.get("nextToken")
        after = self._position(caller, query, token) if token else None
        descending = parameters.get("sortOrder", self._order) == "DESCENDING"
        rows = read(after, _PAGE + 1, descending)
        shown = rows[:_PAGE]
        answer: dict[str, Any] = {self._member: [entry(row) for row in shown]}
        if len(rows) > _PAGE:
            answer["nextToken"] = self._tokens.encode(caller.scope, query, shown[-1])
        return answer

    def _position(self, caller: Caller, query: str, token: str) -> Any:
        try:
            return self._tokens.decode(caller.scope, query, token)
        except InvalidNextTokenException:
            raise InvalidInputException(
                "Invalid next token: it is not one that this list gave for the same parameters"
            ) from None
