"""What is wrong with declarations, gathered so that a person is told all of it at once."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

from hookline.errors import HooklineError

Item = TypeVar("Item")
Found = TypeVar("Found")


class ProblemsError(HooklineError):
    """Several things are wrong, each of them one line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


class MissingValueError(HooklineError):
    """A value has to be given from outside; what asked for it has noted which."""


class EndlessError(HooklineError):
    """Values lead to each other without end, so that nothing more can be found out."""


class Problems(AbstractContextManager["Problems", bool]):
    """Gathers what goes wrong in several `with` blocks; each block ends at its own first error."""

    def __init__(self) -> None:
        self._errors: list[HooklineError] = []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Keep an error that says what is wrong, and let the next block run."""
        if not isinstance(error, HooklineError) or isinstance(error, EndlessError):
            return False
        self._errors.append(error)
        return True

    def add(self, problem: str) -> None:
        """Keep what is wrong."""
        self._errors.append(HooklineError(problem))

    def check(self) -> None:
        """Raise ProblemsError if anything went wrong."""
        if self._errors:
            raise ProblemsError(text for error in self._errors for text in problems_of(error))


def each(items: Iterable[Item], find: Callable[[Item], Found]) -> list[Found]:
    """What is found for each item. Raises ProblemsError with what is wrong with any of them."""
    problems, found = Problems(), []
    for item in items:
        with problems:
            found.append(find(item))
    problems.check()
    return found


def problems_of(error: HooklineError) -> tuple[str, ...]:
    """What an error says is wrong, beside missing values."""
    match error:
        case ProblemsError():
            return error.problems
        case MissingValueError():
            return ()
    return (error.message,)
