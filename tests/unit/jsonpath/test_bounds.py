"""No text and no document makes a read slow, endless or fatal."""

import contextlib
import json
from typing import Any

import pytest

from hookline import jsonpath
from hookline.jsonpath import BudgetError, CompileError, EvaluationError


def nested(depth: int, *, as_list: bool = False) -> Any:
    document: Any = {"k": 1}
    for _ in range(depth):
        document = [document] if as_list else {"a": document}
    return document


def test_length() -> None:
    assert jsonpath.MAX_LENGTH == 1_000
    jsonpath.compile("$." + "a" * 998)
    with pytest.raises(CompileError) as raised:
        jsonpath.compile("$." + "a" * 999)
    assert raised.value.position == 1_000


@pytest.mark.parametrize(
    "text",
    [
        "$[?(" + "(" * 100 + "@.a" + ")" * 100 + ")]",
        "$[?(" + "!" * 300 + "(@.a))]",
        "$" + "[?(@" * 90 + ".a" + ")]" * 90,
        "$[?(@ in " + "[" * 200 + "]" * 200 + ")]",
        "$[?(@ == " + '{"a":' * 100 + "1" + "}" * 100 + ")]",
    ],
)
def test_a_path_that_nests_too_deeply_is_no_path(text: str) -> None:
    with pytest.raises(CompileError, match="nests too deeply"):
        jsonpath.compile(text)


def test_a_path_may_nest() -> None:
    text = "$" + "[?(@" * 8 + ".a" + ")]" * 8
    assert jsonpath.compile(text).definite is False


@pytest.mark.parametrize(
    "text",
    [
        "$" + ".a" * 499,
        "$" + "[*]" * 333,
        "$" + "..a" * 300,
        "$" + "[0,0]" * 199,
        "$" + ".f(1)" * 199,
    ],
)
def test_long_paths_do_not_recurse(text: str) -> None:
    path = jsonpath.compile(text)
    for document in (nested(600), nested(600, as_list=True)):
        try:
            path(document)
        except EvaluationError:
            continue


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize(
    "text", ["$..k", "$..*", "$..[0].k", "$..[?(@.k == 1)]", "$..a.b", "$.keys()"]
)
def test_deep_documents_are_read_or_refused(text: str, as_list: bool) -> None:  # noqa: FBT001 - a table's column
    path = jsonpath.compile(text)
    document = nested(20_000, as_list=as_list)
    with contextlib.suppress(EvaluationError):
        path(document)
    assert path.explain(document)


@pytest.mark.parametrize("text", ["$.concat($)", "$[?(@ == @.a)]", "$[?(@.a == @.a)]"])
def test_values_that_nest_too_deeply_for_text_are_refused(text: str) -> None:
    with pytest.raises(jsonpath.DepthError):
        jsonpath.compile(text)({"a": nested(100_000)})


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("$" + "[0,0]" * 40, nested(40, as_list=True)),
        ("$.*", [0] * 100_001),
        ("$..*", [0] * 100_001),
        ("$.a[0:]", {"a": [0] * 100_001}),
        ("$[?(@ == 1)]", [0] * 100_001),
        ("$..a..a..a..a", nested(300)),
        ("$.*[?($..*)]", {"a": [[0] * 1_000] * 1_000}),
        ("$[?(@..k == 1)]", [[0] * 1_000] * 1_000),
        ("$[?(@ in $)]", list(range(1_000))),
        ("$[?(@.a anyof @.a)]", [{"a": list(range(1, 1_000))}]),
        ("$[?(@.a == @.b)]", [{"a": [0] * 9_000, "b": [0] * 9_000}] * 1_000),
        ("$[?($.a < $.b)]", {"a": "x" * 6_000_000, "b": "x" * 6_000_000}),
        ("$.l[?(@ contains 'ab')]", {"l": ["a" * 1_000_000] * 100}),
        ("$.l[?(@ == $.s)]", {"l": ["a" * 1_000_000] * 100, "s": "a" * 1_000_000}),
        (r"$.l[?(@ =~ /(.*,){40}x/)]", {"l": ["," * 1_000_000] * 10}),
        ("$.concat(" + ",".join("$" * 400) + ")", {"a": "x" * 100_000}),
        ("$.concat(" + ",".join("$" * 400) + ")", [["x"] * 10_000]),
        ("$.a.sum()", {"a": [1] * 100_001}),
        ("$.keys()", {str(n): 0 for n in range(100_001)}),
        ("$.append(1)", [0] * 100_001),
    ],
)
def test_the_budget_ends_a_read(text: str, document: Any) -> None:
    with pytest.raises(BudgetError, match="100,000 nodes"):
        jsonpath.compile(text)(document)


def test_the_budget_is_each_reads_own() -> None:
    path = jsonpath.compile("$[*]")
    document = [0] * 60_000
    assert [len(path(document)) for _ in range(3)] == [60_000] * 3


def test_what_a_root_path_gives_is_worked_out_once() -> None:
    document = {"a": [{"k": n} for n in range(300)], "least": {"x": 299}}
    assert jsonpath.compile("$.a[?(@.k >= $..x.max())].k")(document) == [299]


@pytest.mark.parametrize(
    ("text", "document", "value"),
    [
        ("$[-2147483648:2147483647]", [1, 2], [1, 2, 1, 2]),
        ("$[2147483647]", [1], None),
        ("$[?(@ size 1e999999999)]", [[]], []),
        ("$[?(@ < 1e999999999)]", [10**4000], [10**4000]),
        ("$[?(@ > -1e-999999999)]", [0.0], [0.0]),
        ("$[?(@ == '1e99999999999')]", [1], []),
        ("$.sum(1e999)", {}, float("inf")),
        ("$.a.sum()", {"a": [10**400]}, float("inf")),
        ("$.a.stddev()", {"a": [-(10**400)]}, None),
        ("$.a.index(1e999)", {"a": [1]}, None),
        ("$.concat($.a)", {"a": 10**5000}, "1" + "0" * 5000),
        ("$[?(@ == @)]", [float("nan"), float("inf")], []),
        ("$[?(@ =~ /NaN|Infinity/)]", [float("nan"), float("inf")], [float("nan"), float("inf")]),
    ],
)
def test_extreme_numbers(text: str, document: Any, value: Any) -> None:
    try:
        found = jsonpath.compile(text)(document)
    except EvaluationError:
        found = None
    if value is not None:
        assert repr(found) == repr(value)


def test_a_program_too_large_for_re2_is_no_path() -> None:
    with pytest.raises(CompileError, match="can't be compiled"):
        jsonpath.compile("$[?(@ =~ /" + "(.{500}){2}" * 30 + "/)]")


def test_a_document_as_wide_as_an_event_fits() -> None:
    event = json.loads(
        json.dumps({"commits": [{"id": n, "modified": ["a"] * 20} for n in range(2_048)]})
    )
    assert len(jsonpath.compile("$.commits[*].modified[*]")(event)) == 40_960
