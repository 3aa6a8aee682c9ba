"""What holds for every text and every JSON document."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookline import jsonpath
from hookline.jsonpath import CompileError, EvaluationError, PathNotFoundError

# No deadline: the machines that run this are shared.
steady = settings(suppress_health_check=[HealthCheck.too_slow])

keys = st.sampled_from(["a", "b", "c", "ref", ""])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["a", "b", "1", "1.0", "$.a", "true"])
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=25,
)

names = st.sampled_from(["a", "b", "c", "ref"])
literals = st.sampled_from(
    [
        "1",
        "-1.5",
        "'a'",
        '"b"',
        "true",
        "null",
        "[1,'a']",
        "{'a':1}",
        "/a.*/i",
        "/[ab]+/",
        "@",
        "@.a",
        "$.a",
        "@..b",
        "@.a[*]",
        "$..c",
        "@.a.length()",
        "@['a','b']",
        "@.b.keys()",
        "@.c.first()",
    ]
)
operators = st.sampled_from(
    [
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "===",
        "!==",
        "=~",
        "in",
        "nin",
        "contains",
        "size",
        "empty",
        "subsetof",
        "anyof",
        "noneof",
        "all",
        "type",
        "matches",
        "exists",
        "IN",
    ]
)
relations = st.builds("{} {} {}".format, literals, operators, literals) | st.sampled_from(
    ["@.a", "!@.b", "@", "$.c"]
)
conditions = st.recursive(
    relations,
    lambda inner: (
        st.builds("({} && {})".format, inner, inner)
        | st.builds("({} || {})".format, inner, inner)
        | inner.map("!({})".format)
    ),
    max_leaves=4,
)
calls = st.sampled_from(
    [
        "length()",
        "sum()",
        "min()",
        "max()",
        "avg()",
        "stddev()",
        "keys()",
        "first()",
        "last()",
        "concat()",
        "index(0)",
        "index(-2)",
        'append(1,"x")',
        'concat("x",$..a)',
        "sum($..b,2)",
        "length($.a)",
        "nope()",
    ]
)
steps = st.one_of(
    names.map(".{}".format),
    names.map("..{}".format),
    st.sampled_from(
        [
            "[0]",
            "[-1]",
            "[0,1]",
            "[1:]",
            "[:-1]",
            "[-2:2]",
            "[*]",
            ".*",
            "..*",
            "..[0]",
            "..[1:]",
            "['a','b']",
            "..['a','b']",
            "['']",
        ]
    ),
    conditions.map("[?({})]".format),
    conditions.map("..[?({})]".format),
    calls.map(".{}".format),
)
paths = st.lists(steps, max_size=5).map(lambda written: "$" + "".join(written))
# Texts that are nearly paths come from paths with a piece put in, left out or doubled.
scraps = st.sampled_from(
    [*"$@.[]()*?'\"/\\,:!&|=<>~ {}-0a\n", "..", "[?(", ")]", "=~ /", "\\u", "&&", "😀"]
)
near_paths = st.builds(
    lambda text, at, scrap, cut: (
        text[: at % (len(text) + 1)] + scrap + text[at % (len(text) + 1) + cut :]
    ),
    paths,
    st.integers(0, 60),
    scraps,
    st.integers(0, 3),
)


def outcome(path: jsonpath.Path, document: Any) -> str:
    try:
        return repr(path(document))
    except EvaluationError as error:
        return f"{type(error).__name__}: {error}"


@steady
@given(st.text(max_size=40) | near_paths | st.lists(scraps, max_size=25).map("".join))
def test_compile_raises_nothing_but_its_own_error(text: str) -> None:
    raised = None
    try:
        path = jsonpath.compile(text)
    except CompileError as error:
        raised = error
    if raised is None:
        assert jsonpath.compile(str(path)) == path
    else:
        assert 0 <= raised.position <= len(text)
        assert raised.caret.splitlines()[-1].endswith("^")


@steady
@given(
    st.text(alphabet="ab$^.|()[]{}*+?\\dwpLQEZux10-,:=!<>&i ", max_size=25),
    st.sampled_from(["", "i", "x", "iu", "m", "U", "s"]),
)
def test_patterns_raise_nothing_but_its_own_error(pattern: str, flags: str) -> None:
    try:
        path = jsonpath.compile(f"$[?(@ =~ /{pattern}/{flags})]")
    except CompileError:
        return
    assert isinstance(path(["", "a", "ab\n"]), list)


@steady
@given(paths, documents)
def test_reading_raises_nothing_but_its_own_errors(text: str, document: Any) -> None:
    path = jsonpath.compile(text)
    before = repr(document)
    first = outcome(path, document)
    assert path.explain(document)
    assert repr(document) == before
    assert outcome(path, document) == first  # a path remembers nothing


@steady
@given(paths, documents)
def test_a_paths_text_means_the_same_path(text: str, document: Any) -> None:
    path = jsonpath.compile(text)
    again = jsonpath.compile(str(path))
    assert str(again) == str(path)
    assert again.definite is path.definite
    assert outcome(again, document) == outcome(path, document)


@steady
@given(st.lists(st.one_of(names, st.integers(-3, 3)), max_size=5), documents)
def test_a_definite_path_leads_where_python_leads(keys: list[Any], document: Any) -> None:
    text = "$" + "".join(f"['{key}']" if isinstance(key, str) else f"[{key}]" for key in keys)
    path = jsonpath.compile(text)
    assert path.definite
    value: Any = document
    try:
        for key in keys:
            if not isinstance(value, list if isinstance(key, int) else dict):
                raise KeyError(key)  # noqa: TRY301 - the same as what indexing raises below
            value = value[key]
    except (KeyError, IndexError):
        with pytest.raises(PathNotFoundError):
            path(document)
    else:
        assert path(document) is value


@steady
@given(paths, documents)
def test_an_indefinite_path_gives_a_list(text: str, document: Any) -> None:
    path = jsonpath.compile(text)
    try:
        value = path(document)
    except EvaluationError:
        return
    assert path.definite or isinstance(value, list)


@steady
@given(names, documents)
def test_a_deep_scan_finds_every_value_of_the_name(name: str, document: Any) -> None:
    def walk(value: Any) -> list[Any]:
        inner = list(value.values()) if isinstance(value, dict) else value
        own = [value[name]] if isinstance(value, dict) and name in value else []
        return (
            own + [found for each in inner for found in walk(each)]
            if isinstance(inner, list)
            else []
        )

    assert repr(jsonpath.compile(f"$..{name}")(document)) == repr(walk(document))


@steady
@given(conditions, st.lists(documents, max_size=4))
def test_a_condition_or_its_negation_holds(condition: str, items: list[Any]) -> None:
    def chosen(text: str) -> list[str]:
        return [repr(item) for item in jsonpath.compile(f"$[?({text})]")(items)]

    try:
        yes, no = chosen(condition), chosen(f"!({condition})")
    except EvaluationError:
        return
    # An element at which the condition can't be asked is in neither.
    assert not set(yes) & set(no)
    assert [each for each in map(repr, items) if each in yes] == yes
