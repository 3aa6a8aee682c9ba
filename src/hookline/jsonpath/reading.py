"""The state of one evaluation: compiled paths hold none, so that threads can share them."""

from typing import Any

from hookline.jsonpath.errors import BudgetError

MAX_VISITED = 100_000


class Reading:
    """One evaluation: its root document, and what is left of its budget.

    Attributes:
        root: the whole document, which `$` means inside filters and arguments.
        strict: every name has to be there, also below indefinite steps; a test of existence
            sets it while it runs.
        answers: what the paths from the root gave, worked out once.
    """

    __slots__ = ("answers", "remaining", "root", "strict")

    def __init__(self, root: Any) -> None:
        self.root = root
        self.strict = False
        self.remaining = MAX_VISITED
        self.answers: dict[object, Any] = {}

    def spend(self, nodes: int) -> None:
        """Take `nodes` from the budget, before they are visited.

        Raises:
            BudgetError: there is not so much left.
        """
        self.remaining -= nodes
        if self.remaining < 0:
            raise BudgetError(f"this read would visit more than {MAX_VISITED:,} nodes")
