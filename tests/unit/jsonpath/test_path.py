"""A compiled path as an object: its text, its explanations, shared between threads."""

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hookline import jsonpath

PUSH: dict[str, Any] = {
    "ref": "refs/heads/main",
    "commits": [{"id": 1, "modified": ["a"]}, {"id": 2}],
    "none": None,
    "void": {},
}


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("$.ref", "$.ref"),
        ("ref", "$.ref"),
        ("@.ref  ", "@.ref"),
        ("[*]", "$.[*]"),
        ("$[ 'a' ]", "$[ 'a' ]"),
    ],
)
def test_text(text: str, normal: str) -> None:
    path = jsonpath.compile(text)
    assert path.text == str(path) == normal
    assert jsonpath.compile(path.text) == path


def test_a_path_cannot_be_changed() -> None:
    path = jsonpath.compile("$.ref")
    with pytest.raises(AttributeError):
        path.text = "$.other"  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("$.ref", '`$.ref` is "refs/heads/main"'),
        ("$.none", "`$.none` is null"),
        ("$.commits", "`$.commits` is a list of 2"),
        ("$.commits[*].id", "`$.commits[*].id` selects 2 values"),
        ("$..modified", "`$..modified` selects 1 value"),
        (
            "$.pull_request.base",
            "`$.pull_request` is missing; `$` is an object with keys ref, commits, none, void",
        ),
        ("$.ref.name", "`$.ref` is a string, not an object"),
        ("$.ref[0]", "`$.ref` is a string, not a list"),
        ("$.none.x.y", "`$.none` is null, not an object"),
        ("$.void.x", "`$.void.x` is missing; `$.void` is an empty object"),
        ("$.commits[5].id", "`$.commits[5]` is missing; `$.commits` is a list of 2"),
        (
            "$.commits[*].name.x",
            "`$.commits[*].name` selects nothing from the 2 values of `$.commits[*]`",
        ),
        (
            "$.commits[?(@.id == 9)].x",
            "`$.commits[?(@.id == 9)]` selects nothing; `$.commits` is a list of 2",
        ),
        ("$..zip", "`$..zip` selects nothing; `$` is an object with keys ref, commits, none, void"),
        ("$.commits.sum()", "`$.commits.sum()` can't be read: there are no numbers to work on"),
        ("$.x()", "`$.x()` can't be read: there is no function x()"),
    ],
)
def test_explain(text: str, sentence: str) -> None:
    assert jsonpath.compile(text).explain(PUSH) == sentence


def test_explanations_stay_short() -> None:
    document = {f"key {number}" + "x" * 500: "y" * 5_000 for number in range(500)}
    text = "$['" + "z" * 900 + "']"
    assert len(jsonpath.compile(text).explain(document)) < 1_000
    assert len(jsonpath.compile(f"$['{next(iter(document))}']").explain(document)) < 200


@pytest.mark.parametrize(
    "text", ["$.commits.append(1)", "$..*", "$.commits[?(@.id in [1])]", "$['ref','void']"]
)
def test_the_document_is_never_changed(text: str) -> None:
    document = copy.deepcopy(PUSH)
    found = jsonpath.compile(text)(document)
    assert document == PUSH
    found.clear()
    assert document == PUSH


def test_one_path_read_by_many_threads_at_once() -> None:
    path = jsonpath.compile("$.a[?(@.n in $.a[*].n && @..x && @.n > $.least)].n")
    documents = [
        {"least": least, "a": [{"n": n, "x": {}} for n in range(60)]} for least in range(40)
    ]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(path, documents))
    assert found == [list(range(least + 1, 60)) for least in range(40)]


def test_a_tested_existence_does_not_make_later_steps_strict() -> None:
    path = jsonpath.compile("$[?(@.a[*].b || @.c[*].d == 1 || @.e)].n")
    assert path([{"n": 1, "a": [{}], "e": 1}, {"n": 2, "a": [{"b": 1}]}, {"n": 3, "a": [{}]}]) == [
        1,
        2,
    ]


def test_what_orjson_and_json_read_alike() -> None:
    document = json.loads('{"a": [1, 2.0, "3", null, true, {"b": "\\ud800"}]}')
    assert jsonpath.compile("$.a[*]")(document) == document["a"]
    assert jsonpath.compile("$.a[?(@.b =~ /.{1}/)].b")(document) == ["\ud800"]
