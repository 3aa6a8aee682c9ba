"""Pages of CodeBuild's lists: 100 entries each, in an order that the caller may turn round."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hookline.api.pagination import PageTokens, page_query
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
        try:
            page = self._tokens.page(caller.scope, query, parameters.get("nextToken"), _PAGE)
        except InvalidNextTokenException:
            raise InvalidInputException(
                "Invalid next token: it is not one that this list gave for the same parameters"
            ) from None
        descending = parameters.get("sortOrder", self._order) == "DESCENDING"
        shown, token = page.cut(read(page.after, page.limit, descending), tuple)
        return {self._member: [entry(row) for row in shown], "nextToken": token}
