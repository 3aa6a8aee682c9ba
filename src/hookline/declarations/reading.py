"""From files to what they declare, and to what they ask for."""

import dataclasses
from collections.abc import Iterable, Iterator

from hookline.declarations.documents import Document, documents
from hookline.declarations.forms import declared_in
from hookline.declarations.parameters import Asked
from hookline.declarations.problems import ProblemsError, problems_of
from hookline.declarations.resources import MASK, Declarations, together
from hookline.declarations.scalars import written
from hookline.declarations.surroundings import Surroundings, stack_name_of
from hookline.declarations.template import Reading, is_template, read_template
from hookline.errors import HooklineError

File = tuple[str, bytes]
"""The name of a file, and what it holds."""


def read(
    files: Iterable[File], surroundings: Surroundings, *, replace: bool = False
) -> Declarations:
    """What files declare together; of two that declare one thing the last counts with `replace`.

    With an empty `stack_name` a template's stack is named after its file. Raises HooklineError with
    all that is wrong, each with the file and the place in it, and with all values that are missing.
    """
    readings = list(_readings(files, surroundings))
    problems = [text for reading in readings for text in reading.problems]
    missing = [item for item in _asked(readings) if item.value is None]
    if problems or missing:
        raise ProblemsError([*problems, *_lack(missing)])
    found = [reading.declarations for reading in readings if reading.declarations is not None]
    whole = together(found, replace=replace)
    unused = surroundings.parameters.keys() - frozenset().union(*(item.used for item in readings))
    return dataclasses.replace(whole, warnings=(*whole.warnings, *map(_unused, sorted(unused))))


def asked_for(files: Iterable[File], surroundings: Surroundings) -> list[Asked]:
    """The values from outside that files ask for. Raises HooklineError for what else is wrong."""
    readings = list(_readings(files, surroundings))
    problems = [text for reading in readings for text in reading.problems]
    if problems:
        raise ProblemsError(problems)
    return _asked(readings)


def _readings(files: Iterable[File], surroundings: Surroundings) -> Iterator[Reading]:
    for file, data in files:
        around = dataclasses.replace(
            surroundings, stack_name=surroundings.stack_name or stack_name_of(file)
        )
        found = documents(file, data)
        if not found:
            raise HooklineError(f"{file} is empty, so it declares nothing")
        for document in found:
            yield _with_warnings(_reading(document, around), document.warnings)


def _reading(document: Document, surroundings: Surroundings) -> Reading:
    if is_template(document.content):
        return read_template(document.content, document.title, surroundings)
    try:
        return Reading(declarations=declared_in(document.content, document.title))
    except HooklineError as error:
        return Reading(problems=problems_of(error))


def _with_warnings(reading: Reading, warnings: tuple[str, ...]) -> Reading:
    if reading.declarations is None:
        return reading
    found = reading.declarations
    found = dataclasses.replace(found, warnings=(*found.warnings, *warnings))
    return dataclasses.replace(reading, declarations=found)


def _asked(readings: Iterable[Reading]) -> list[Asked]:
    found: dict[str, Asked] = {}
    for reading in readings:
        for name, item in reading.asked.items():
            # What one template has a default for, another may lack.
            if name not in found or item.value is None:
                found[name] = item
    return list(found.values())


def _lack(missing: Iterable[Asked]) -> Iterator[str]:
    sentences = [item.missing for item in missing]
    if sentences:
        yield from sentences
        yield (
            "Give missing values with --parameter NAME=VALUE, or better for secrets in a "
            f"--parameter-file; --skeleton FILE writes one to fill in. {MASK} keeps a secret that "
            "is stored."
        )


def _unused(name: str) -> str:
    return f"The value '{name}' is given, and nothing in the files asks for it"


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """Values for parameters, with warnings about how they are written."""

    values: dict[str, str] = dataclasses.field(repr=False)
    warnings: tuple[str, ...] = ()


def parameters_in(file: str, data: bytes) -> Given:
    """Parameters from a file: an object, or CloudFormation's list.

    One without a value is not given, as a skeleton has it. Raises HooklineError.
    """
    found = documents(file, data)
    content = found[0].content if len(found) == 1 else None
    if isinstance(content, list) and all(
        isinstance(item, dict) and {"ParameterKey", "ParameterValue"} <= item.keys()
        for item in content
    ):
        content = {item["ParameterKey"]: item["ParameterValue"] for item in content}
    if isinstance(content, dict) and isinstance(content.get("Parameters"), dict):
        content = content["Parameters"]
    if not isinstance(content, dict) or not all(
        isinstance(value, str | int | None) for value in content.values()
    ):
        raise HooklineError(
            f"{file} holds no parameters. Give an object of names and values, or a list of "
            "ParameterKey and ParameterValue."
        )
    values = {str(name): written(value) for name, value in content.items() if value is not None}
    return Given(values, found[0].warnings)
