"""The state of one evaluation: compiled paths hold none, so that threads can share them."""

from collections.abc import Callable
from typing import Any

from hookline.jsonpath.errors import BudgetError

MAX_VISITED = 100_000


class Reading:
    """One evaluation of a path.

    Attributes:
        root: the whole document, which `$` means inside filters and arguments.
        remaining: the nodes that may still be visited.
        strict: every name has to be there; a test of existence sets it while it runs.
        numbered: the deep scans that have handed on elements of a list by their numbers.
        answers: what the paths from the root gave, worked out once.
    """

    __slots__ = ("answers", "numbered", "remaining", "root", "strict")

    def __init__(self, root: Any) -> None:
        self.root = root
        self.remaining = MAX_VISITED
        self.strict = False
        self.numbered: set[object] = set()
        self.answers: dict[object, Any] = {}

    def spend(self, nodes: int) -> None:
        """Take `nodes` from the budget; raises BudgetError when there are not so many left."""
        self.remaining -= nodes
        if self.remaining < 0:
            raise BudgetError(f"this read would visit more than {MAX_VISITED:,} nodes")


Evaluate = Callable[[Any, Reading], Any]
