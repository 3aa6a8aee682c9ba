"""Whether a commit belongs to a branch, a tag or a pull request of a remote repository."""

from collections.abc import Iterator, Sequence
from typing import Protocol

# Generations of commits. The first is about what is pushed at once; the second, without files, has
# some 3 MB.
_DEPTHS = (100, 10_000)
_UNFILTERED = "filtering not recognized by server"


class Remote(Protocol):
    """Git, asked about one remote repository; a cache of repositories could be another one."""

    def heads(self, refs: Sequence[str]) -> dict[str, str]:
        """The commits of those `refs` that exist."""
        ...

    def deepen(self, ref: str, depth: int) -> str:
        """Have the newest `depth` generations of commits of `ref`, without files; git's words."""
        ...

    def knows(self, commit: str, ref: str) -> bool:
        """Whether `commit` is among what `deepen` has fetched of `ref`."""
        ...


def is_reachable(remote: Remote, commit: str, refs: Sequence[str]) -> bool:
    """Whether one of `refs` is at `commit`, or has it in its newest 10,000 generations.

    A ref that does not exist has nothing. Of a server that can't leave out files only 100
    generations are fetched.
    """
    heads = remote.heads(refs)
    if commit in heads.values():
        return True
    return any(_is_in_history(remote, commit, ref) for ref in heads)


def _is_in_history(remote: Remote, commit: str, ref: str) -> bool:
    return any(remote.knows(commit, ref) for _ in _deepened(remote, ref))


def _deepened(remote: Remote, ref: str) -> Iterator[None]:
    for depth in _DEPTHS:
        said = remote.deepen(ref, depth)
        yield
        if _UNFILTERED in said:
            return
