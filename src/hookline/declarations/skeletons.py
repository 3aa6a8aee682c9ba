"""Files of parameters to fill in."""

import json
from collections.abc import Iterable, Iterator

import yaml

from hookline.declarations.parameters import Asked

_HEADING = "# Fill in what is empty, and give this file with --parameter-file."
_UNWRAPPED = 1_000_000


def skeleton(asked: Iterable[Asked], *, as_json: bool) -> str:
    """A file of parameters with all values that are asked for; those that are missing are empty.

    A secret that has a value is left out: it would be written in clear.
    """
    shown = [item for item in asked if item.value is None or not item.is_secret]
    if as_json:
        values = {item.name: item.value for item in shown}
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    return "\n".join((_HEADING, *(line for item in shown for line in _lines(item)))) + "\n"


def _lines(item: Asked) -> Iterator[str]:
    for line in (*item.description.splitlines(), *([item.missing] if item.value is None else [])):
        yield f"# {line}"
    entry = yaml.safe_dump({item.name: item.value}, allow_unicode=True, width=_UNWRAPPED)
    yield entry.removesuffix("\n") if item.value is not None else entry.removesuffix(" null\n")
