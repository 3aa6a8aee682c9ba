"""From files to what they declare, and to the parameters that they require."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from hookline.declarations.conversion import written
from hookline.declarations.documents import Document, documents
from hookline.declarations.forms import declared_in
from hookline.declarations.problems import ProblemsError, problems_of
from hookline.declarations.resources import Declarations, merged
from hookline.declarations.stack import RequiredValue, StackContext, stack_name_of
from hookline.declarations.template import ReadResult, is_template, read_template
from hookline.errors import HooklineError
from hookline.sealing import MASK

_SKELETON_HEAD = "# Fill in what is empty, and give this file with --parameter-file."
_UNWRAPPED = 1_000_000

File = tuple[str, bytes]
"""The name of a file, and what it holds."""


def read(files: Iterable[File], context: StackContext, *, replace: bool = False) -> Declarations:
    """What files declare together; of two that declare one thing the last counts with `replace`.

    With an empty `stack_name` a template's stack is named after its file. Raises HooklineError with
    all that is wrong, each with the file and the place in it, and with all values that are missing.
    """
    results = list(_results(files, context))
    missing = [item.missing for item in _required(results) if item.value is None]
    if missing:
        missing.append(
            "Give missing values with --parameter NAME=VALUE, or better for secrets in a "
            f"--parameter-file; --skeleton FILE writes one to fill in. {MASK} keeps a secret that "
            "is stored."
        )
    _check(results, missing)
    found = merged((item.declarations for item in results if item.declarations), replace=replace)
    unused = context.parameters.keys() - frozenset().union(*(item.used for item in results))
    warnings = [
        f"The value '{name}' is given, and nothing in the files asks for it"
        for name in sorted(unused)
    ]
    return dataclasses.replace(found, warnings=(*found.warnings, *warnings))


def required_values(files: Iterable[File], context: StackContext) -> list[RequiredValue]:
    """The values from outside that files ask for. Raises HooklineError for what else is wrong."""
    results = list(_results(files, context))
    _check(results)
    return _required(results)


def _check(results: Iterable[ReadResult], missing: Iterable[str] = ()) -> None:
    problems = [*(text for result in results for text in result.problems), *missing]
    if problems:
        raise ProblemsError(problems)


def _results(files: Iterable[File], context: StackContext) -> Iterator[ReadResult]:
    for file, data in files:
        named = dataclasses.replace(context, stack_name=context.stack_name or stack_name_of(file))
        found = documents(file, data)
        if not found:
            raise HooklineError(f"{file} is empty, so it declares nothing")
        for document in found:
            yield _result(document, named)


def _result(document: Document, context: StackContext) -> ReadResult:
    if is_template(document.content):
        result = read_template(document.content, document.title, context)
    else:
        try:
            resources = declared_in(document.content, document.title)
        except HooklineError as error:
            return ReadResult(problems=problems_of(error))
        result = ReadResult(declarations=Declarations(resources=tuple(resources)))
    if result.declarations is None:
        return result
    noted = dataclasses.replace(result.declarations, warnings=document.warnings)
    return dataclasses.replace(result, declarations=noted)


def _required(results: Iterable[ReadResult]) -> list[RequiredValue]:
    found: dict[str, RequiredValue] = {}
    for result in results:
        for name, item in result.required.items():
            # What one template has a default for, another may lack.
            if name not in found or item.value is None:
                found[name] = item
    return list(found.values())


@dataclasses.dataclass(frozen=True, slots=True)
class ParameterValues:
    """Values for parameters, with warnings about how they are written."""

    values: dict[str, str] = dataclasses.field(repr=False)
    warnings: tuple[str, ...] = ()


def parameters_in(file: str, data: bytes) -> ParameterValues:
    """Parameters from a file: an object, or CloudFormation's list.

    One without a value is not given, as a skeleton has it. Raises HooklineError.
    """
    found = documents(file, data)
    values = _parameters(found[0].content if len(found) == 1 else None)
    if values is None or not all(isinstance(item, str | int | None) for item in values.values()):
        raise HooklineError(
            f"{file} holds no parameters. Give an object of names and values, or a list of "
            "ParameterKey and ParameterValue."
        )
    given = {str(name): written(value) for name, value in values.items() if value is not None}
    return ParameterValues(given, found[0].warnings)


def _parameters(content: Any) -> dict[str, Any] | None:
    match content:
        case [*items] if all(
            isinstance(item, dict) and {"ParameterKey", "ParameterValue"} <= item.keys()
            for item in items
        ):
            return {item["ParameterKey"]: item["ParameterValue"] for item in items}
        case {"Parameters": dict(values)} | dict(values):
            return values
    return None


def skeleton_of(required: Iterable[RequiredValue], *, as_json: bool) -> str:
    """A file of parameters with all values that are required; those that are missing are empty.

    A secret that has a value is left out: it would be written in clear.
    """
    shown = [item for item in required if item.value is None or not item.is_secret]
    if as_json:
        values = {item.name: item.value for item in shown}
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    return "\n".join((_SKELETON_HEAD, *(line for item in shown for line in _lines(item)))) + "\n"


def _lines(item: RequiredValue) -> Iterator[str]:
    for line in (*item.description.splitlines(), *([item.missing] if item.value is None else [])):
        yield f"# {line}"
    entry = yaml.safe_dump({item.name: item.value}, allow_unicode=True, width=_UNWRAPPED)
    yield entry.removesuffix("\n") if item.value is not None else entry.removesuffix(" null\n")
