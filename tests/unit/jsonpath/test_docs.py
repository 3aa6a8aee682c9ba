"""The reference page's examples say the truth."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hookline import jsonpath
from hookline.jsonpath.comparison import OPERATORS
from hookline.jsonpath.functions import FUNCTIONS

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "jsonpath.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


DOCUMENT: Any = json.loads(blocks("json")[0])
EXAMPLES = [tuple(line.split(" → ")) for block in blocks("path") for line in block.splitlines()]


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) > 50


@pytest.mark.parametrize(("text", "result"), EXAMPLES)
def test_example(text: str, result: str) -> None:
    if result.startswith("error "):
        error = getattr(jsonpath, result.removeprefix("error "))
        with pytest.raises(error):
            jsonpath.compile(text)(DOCUMENT)
    else:
        assert json.dumps(jsonpath.compile(text)(DOCUMENT)) == json.dumps(json.loads(result))


@pytest.mark.parametrize("word", [*OPERATORS, *(f"{name}(" for name in FUNCTIONS)])
def test_every_operator_and_function_is_on_the_page(word: str) -> None:
    assert f"`{word}" in PAGE


@pytest.mark.parametrize("bound", [jsonpath.MAX_LENGTH, jsonpath.MAX_DEPTH, jsonpath.MAX_VISITED])
def test_every_bound_is_on_the_page(bound: int) -> None:
    assert f"{bound:,}" in PAGE
