"""From files to what they declare."""

import dataclasses
from collections.abc import Iterable

from hookline.declarations.documents import documents
from hookline.declarations.forms import declared_in
from hookline.declarations.resources import Declarations, together
from hookline.declarations.surroundings import Surroundings, stack_name_of
from hookline.declarations.template import declared_by, is_template
from hookline.errors import HooklineError


def read(files: Iterable[tuple[str, bytes]], surroundings: Surroundings) -> Declarations:
    """What files declare together, each given by its name and content.

    With an empty `stack_name` a template's stack is named after its file. Raises HooklineError
    that names the file, the place in it and how to mend it.
    """
    parts, used = [], set()
    for file, data in files:
        around = dataclasses.replace(
            surroundings, stack_name=surroundings.stack_name or stack_name_of(file)
        )
        found = documents(file, data)
        if not found:
            raise HooklineError(f"{file} is empty, so it declares nothing")
        for document in found:
            if is_template(document.content):
                part, taken = declared_by(document.content, document.title, around)
                used |= taken
            else:
                part = declared_in(document.content, document.title)
            parts.append(part)
    unused = surroundings.parameters.keys() - used
    if unused:
        raise HooklineError(
            f"The parameter '{min(unused)}' is not asked for by anything that the files declare"
        )
    return together(parts)


def parameters_in(file: str, data: bytes) -> dict[str, str]:
    """Parameters from a file: an object, or CloudFormation's list. Raises HooklineError."""
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
        isinstance(value, str | int) for value in content.values()
    ):
        raise HooklineError(
            f"{file} holds no parameters. Give an object of names and values, or a list of "
            "ParameterKey and ParameterValue."
        )
    return {
        str(name): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in content.items()
    }
