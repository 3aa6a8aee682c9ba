"""Counts the tests of a build's report files."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hookline.actions.folders import read
from hookline.errors import ActionError

if TYPE_CHECKING:
    from junitparser import TestCase

_LARGEST = 50_000_000
_COUNTED = "JUNITXML"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many test cases ended in which way."""

    succeeded: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.succeeded + self.failed + self.errors + self.skipped


@dataclass(frozen=True, slots=True)
class Report:
    """A report group of a build. `counts` is None where its format is not counted.

    `unread` says of each file that should have been counted why it could not be.
    """

    group: str
    file_format: str
    files: tuple[str, ...]
    counts: Counts | None = None
    unread: tuple[str, ...] = ()


def report(group: str, file_format: str, folder: Path) -> Report:
    """What the files in `folder`, which is put together by us, say."""
    files = tuple(
        sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    )
    found = Report(group, file_format, files)
    if file_format != _COUNTED:
        return found
    counts, unread = Counts(), []
    for file in files:
        try:
            counts = _sum(counts, _count(folder / file))
        except ActionError as error:
            unread.append(f"{file}: {error.message}")
    return replace(found, counts=counts, unread=tuple(unread))


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(
        one.succeeded + other.succeeded,
        one.failed + other.failed,
        one.errors + other.errors,
        one.skipped + other.skipped,
    )


def _count(file: Path) -> Counts:
    """Raises ActionError: it is no JUnit XML, or has what test reports don't."""
    from junitparser import JUnitXml, JUnitXmlError  # noqa: PLC0415 - few builds have reports

    data = read(file, _LARGEST)
    if b"<!DOCTYPE" in data:
        raise ActionError("it has a document type, which test reports don't")
    try:
        # A suite gives the cases of those within it, too.
        ends = Counter(_end(case) for suite in JUnitXml.fromstring(data) for case in suite)
    except (SyntaxError, JUnitXmlError, ValueError, RecursionError) as error:
        raise ActionError(f"it is no JUnit XML: {error}") from error
    return Counts(ends["succeeded"], ends["failed"], ends["errors"], ends["skipped"])


def _end(case: "TestCase") -> str:
    from junitparser import Error, Failure, Skipped  # noqa: PLC0415 - the same

    kinds = {type(result) for result in case.result}
    names = ((Error, "errors"), (Failure, "failed"), (Skipped, "skipped"))
    return next((name for kind, name in names if kind in kinds), "succeeded")
