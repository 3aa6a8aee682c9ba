"""What every path of the dialect gives, by example."""

import json
from typing import Any

import pytest

from hookline import jsonpath
from hookline.jsonpath import EvaluationError, FunctionError, PathNotFoundError, StepError

GARAGE: dict[str, Any] = json.loads(
    """{
    "ref": "refs/heads/main", "count": 3, "open": true, "none": null, "empty": [], "void": {},
    "a b": "spaced", "a.b": "dotted", "x]y": "bracket", "it's": "quote", "é": "accent",
    "cars": [
        {"id": 1, "make": "Saab", "km": 120.5, "tags": ["red", "old"], "owner": {"name": "Ana"}},
        {"id": 2, "make": "Volvo", "km": 80, "tags": [], "owner": null},
        {"id": "3", "make": "saab", "tags": ["red"], "owner": {"name": "Bo", "since": "2020"}}
    ],
    "numbers": [3, 1, 2.5, "4", null, true], "words": ["a", "b", "c", "d", "e"],
    "tree": {"k": 1, "left": {"k": 2, "list": [{"k": 3}, [{"k": 4}], 5]}, "right": {"j": 6}},
    "grid": [[1, 2], [3], []]
}"""
)

# A path and its value; one in brackets with a * after it is a list of an indefinite path.
VALUES: dict[str, list[tuple[str, Any]]] = {
    "names": [
        ("$.ref", "refs/heads/main"),
        ("ref", "refs/heads/main"),
        ("@.ref", "refs/heads/main"),
        ("$.ref  ", "refs/heads/main"),
        ("$['a b']", "spaced"),
        ('$["a.b"]', "dotted"),
        ("$[ 'x]y' ]", "bracket"),
        (r"$['it\'s']", "quote"),
        (r"$['\u00e9']", "accent"),
        ("$.it's", "quote"),
        ("$.é", "accent"),
        ("$.none", None),
        ("$['count','nope','ref']", {"count": 3, "ref": "refs/heads/main"}),
        ("$['nope','nada']", {}),
        ("$['count',!'ref']", {"count": 3, "ref": "refs/heads/main"}),
        ("$['count', x \"y\" 'ref']", {"count": 3, "ref": "refs/heads/main"}),
        ("$.['count']", 3),
        ("$['tree']left.k", 2),
        ("$.words[0]]", "a"),
    ],
    "names, indefinite": [
        ("$['tree','ref','void'].k", [1]),
        (
            "$.cars[*]['make','km']",
            [{"make": "Saab", "km": 120.5}, {"make": "Volvo", "km": 80}, {"make": "saab"}],
        ),
        ("$.cars[*].owner.name", ["Ana", "Bo"]),
        ("$.cars[*].km", [120.5, 80]),
    ],
    "indexes and slices": [
        ("$.words[0]", "a"),
        ("$.words[-1]", "e"),
        ("$.words[ 00 ]", "a"),
        ("$.grid[1][0]", 3),
    ],
    "indexes and slices, indefinite": [
        ("$.words[0,-1,0]", ["a", "e", "a"]),
        ("$.words[0 , 9]", ["a"]),
        ("$.words[3:]", ["d", "e"]),
        ("$.words[-2:]", ["d", "e"]),
        ("$.words[-9:]", ["a", "b", "c", "d", "e"]),
        ("$.words[:2]", ["a", "b"]),
        ("$.words[:-3]", ["a", "b"]),
        ("$.words[1:3]", ["b", "c"]),
        ("$.words[1:3:9]", ["b", "c"]),
        ("$.words[1:-1]", []),
        ("$.words[-3:-1]", ["c", "d"]),
        ("$.words[-2:1]", ["d", "e", "a"]),
        ("$.words[9:]", []),
        ("$.empty[0:1]", []),
    ],
    "wildcards": [
        ("$.grid[*]", [[1, 2], [3], []]),
        ("$.grid[ * ][*]", [1, 2, 3]),
        ("$.void.*", []),
        ("$.ref[*]", []),
        ("$.none.*", []),
        ("$.tree.right.*", [6]),
    ],
    "deep scan": [
        ("$..k", [1, 2, 3, 4]),
        ("$.tree.left..k", [2, 3, 4]),
        ("$..nope", []),
        ("$..list[0]", [{"k": 3}]),
        ("$..list[0].k", [3]),
        ("$..['k','left']", [{"k": 1, "left": GARAGE["tree"]["left"]}]),
        ("$..['left','right'].k", [2]),
        ("$.tree.right..*", [6]),
        ("$.grid..[0]", [[1, 2], 1, 3]),
        ("$.grid..[1:]", [[3], [], 2]),
        ("$..[?(@.j)]", [{"j": 6}]),
        ("$.tree..[?(@.k > 1)].k", [2, 3, 4]),
        ("$.ref..x", []),
        ("$.numbers..sum()", []),
    ],
    "steps after a deep scan": [
        ("$.grid..[0][0]", [1, 3]),
        ("$.tree..[0].k", [3, 4]),
        ("$.tree..[-1].k", []),
        ("$.tree..[*].k", [2]),
        ("$.tree..*.k", [2]),
        ("$.tree..[0,1].k", []),
        ("$.tree..[1:].k", []),
        ("$.tree..[?(@.k)].k", [1, 2, 3, 4]),
        ("$.tree..[0].k.x", []),
        ("$.cars..[0].owner.name", ["Ana", "Bo"]),
        ("$.cars..[*].owner.name", ["Ana", "Bo"]),
        ("$.cars..[0].tags[0]", ["red", "red"]),
        ("$.cars..[?(@)].make", []),
        ("$.words..[0]['a','b']", []),
        ("$.tree..[0]['k','j']", [{"k": 3}, {"k": 4}]),
        ("$.cars..[0].*", [1, "Saab", 120.5, ["red", "old"], {"name": "Ana"}]),
        ("$.grid..[0].*", [1, 2, 3]),
        ("$.cars[*].owner..*.name", []),
        ("$.cars[?(@..[0].x)].id", [1, 2, "3"]),
        ("$.cars[?(!@..[*].name)].id", []),
    ],
    "filters": [
        ("$.cars[?(@.make == 'Saab')].id", [1]),
        ("$.cars[?(@.km)].id", [1, 2]),
        ("$.cars[?(!@.km)].id", ["3"]),
        ("$.cars[?(! @.km)].id", ["3"]),
        ("$.cars[?(@.owner)].id", [1, 2, "3"]),
        ("$.cars[?(@.owner.name)].id", [1, "3"]),
        ("$.cars[?(@.km && @.owner.name)].id", [1]),
        ("$.cars[?(@.km < 100 || @.owner.name == 'Bo')].id", [2, "3"]),
        ("$.cars[?(@.id == 1 || @.id == 2 && @.km == 80)].id", [1, 2]),
        ("$.cars[?((@.id == 1 || @.id == 2) && @.km == 80)].id", [2]),
        ("$.cars[?(!(@.id == 1))].id", [2, "3"]),
        ("$.cars[?(!!(@.id == 1))].id", [1]),
        ("$.cars[?(@.id==1&&@.km==120.5)].id", [1]),
        ("$.cars[ ?( @.id == 1 ) ].id", [1]),
        ("$.cars[?(@.tags[0])].id", [1, "3"]),
        ("$.cars[?(@['owner']['name'] == 'Ana')].id", [1]),
        ("$.cars[?(@.tags[?(@ == 'old')])].id", [1, 2, "3"]),
        ("$.cars[?(@.tags.length() > 1)].id", [1]),
        ("$.cars[?(@.id == $.cars[1].id)].id", [2]),
        ("$.cars[?(@.make in $.cars[*].make)].id", [1, 2, "3"]),
        ("$[?(@.ref == 'refs/heads/main')].count", [3]),
        ("$.tree[?(@.k == 1)].right.j", [6]),
        ("$.words[?(@ > 'c')]", ["d", "e"]),
        ("$.cars[?($.km)].id", [1, 2]),
        ("$.cars[*].owner[?(@.name)].name", ["Ana", "Bo"]),
        ("$.cars[?(@..name)].id", [1, 2, "3"]),
        ("$.cars[?(@['make','km'])].id", [1, 2]),
        ("$.cars[?(@.tags.foo() || @.id == 2)].id", []),
        ("$.grid[?(@[0] == 3)]", [[3]]),
        ("$.cars[?(@.*.keys() == 1)]", []),
        ("$[?(@['tree']['left']['k'] == 2)].count", [3]),
    ],
    "functions": [
        ("$.numbers.sum()", 6.5),
        ("$.numbers.min()", 1.0),
        ("$.numbers.max()", 3.0),
        ("$.numbers.avg()", 6.5 / 3),
        ("$.words.length()", 5),
        ("$.words.size()", 5),
        ("$.tree.length()", 3),
        ("$.ref.length()", None),
        ("$.tree.keys()", ["k", "left", "right"]),
        ("$.ref.keys()", None),
        ("$.words.first()", "a"),
        ("$.words.last()", "e"),
        ("$.words.index(1)", "b"),
        ("$.words.index(-1)", "e"),
        ("$.words.concat()", "abcde"),
        ('$.concat("x", $.count, $.open, $.cars[0].km)', "x3true120.5"),
        ("$.concat($.tree.right, $.grid)", "{j=6}[1,2][3][]"),
        ("$.concat('x')", ""),
        ('$.concat(["a"])', "a"),
        ('$.concat("a,b")', "ab"),
        ("$.concat('1')", "1'"),
        ("$.concat(true, 1)", "1"),
        ("$.concat($.words.length())", "5"),
        ('$.concat({"a":"b,c"})', "{a=b,c}"),
        ('$.concat("a)', ""),
        ("$.concat($['a b'], $.ref)", "spacedrefs/heads/main"),
        ("$.length('x')", len(GARAGE)),
        ("$.words.append(1)", ["a", "b", "c", "d", "e", 1]),
        ("$.numbers.append(1).sum()", 7.5),
        ("$.tree.right.append(1)['j','k']", {"j": 6}),
        ("$.sum(1, 2.5)", 3.5),
        ("$.stddev(1, 3)", 1.0),
        ("$.max(-5)", 5e-324),
        ("$.min($.cars[*].km, 7)", 7.0),
        ("$..k.sum()", 10.0),
        ("$..k.length()", 0),
        ("$..list.length()", 3),
        # What follows such a function is left out where it leads nowhere, as behind any scan.
        ("$..k.min().nope()", 1.0),
        ("$..k.append(1)[0].last()", GARAGE),
        ("$..nope..length()", 0),
        ("length()", len(GARAGE)),
    ],
    "functions, indefinite": [
        ("$.grid[*].length()", [2, 1, 0]),
        ("$.grid[*].first()", [1, 3]),
        ("$.grid[*].index()", []),
        ("$.grid[0:2].sum()", [3.0, 3.0]),
        ("$.cars[*].tags.sum($.nope)", []),
    ],
}


def _cases(*, definite: bool) -> list[tuple[str, Any]]:
    return [
        case
        for title, cases in VALUES.items()
        for case in cases
        if jsonpath.compile(case[0]).definite is definite
    ]


@pytest.mark.parametrize(("path", "value"), [case for cases in VALUES.values() for case in cases])
def test_value(path: str, value: Any) -> None:
    found = jsonpath.compile(path)(GARAGE)
    assert json.dumps(found) == json.dumps(value)  # 1, 1.0 and true are three values


@pytest.mark.parametrize(("path", "value"), _cases(definite=False))
def test_an_indefinite_path_gives_a_list(path: str, value: Any) -> None:
    assert isinstance(value, list), path


@pytest.mark.parametrize(
    ("path", "definite"),
    [
        ("$", True),
        ("$.a.b", True),
        ("$.a[0]", True),
        ("$['a','b']", True),
        ("$['a','b'].c", False),
        ("$.a[0,1]", False),
        ("$.a[0:1]", False),
        ("$.a.*", False),
        ("$..a", False),
        ("$.a[?(@.b)]", False),
        ("$.a.sum()", True),
        ("$..a.sum()", True),
        ("$.b..a.sum()", False),
        ("$.a[*].sum()", False),
    ],
)
def test_definiteness(path: str, definite: bool) -> None:  # noqa: FBT001 - a table's column
    assert jsonpath.compile(path).definite is definite


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("$.nope", PathNotFoundError),
        ("$.ref.x", PathNotFoundError),
        ("$.none.x", PathNotFoundError),
        ("$.words[9]", PathNotFoundError),
        ("$.words.x", PathNotFoundError),
        ("$.ref[0]", PathNotFoundError),
        ("$.nope[*]", PathNotFoundError),
        ("$.none[0:1]", PathNotFoundError),
        ("$.ref['a','b']", PathNotFoundError),
        ("$.concat($.nope)", PathNotFoundError),
        ("$.words.first().x", PathNotFoundError),
        ("$.tree.keys()[0]", PathNotFoundError),
        ("$.ref[?(@.x)]", StepError),
        ("$.words.nope()", StepError),
        ("$.words.LENGTH()", StepError),
        ("$.()", StepError),
        ("$.(ref)", StepError),
        ("()", StepError),
        ("$.length(1)", FunctionError),
        ('$.size("x",$.words)', FunctionError),
        ("$.tree.index()", FunctionError),
        ("$.words.sum()", FunctionError),
        ("$.count.sum()", FunctionError),
        ("$.cars[*].km.sum()", FunctionError),
        ("$.empty.first()", FunctionError),
        ("$.empty.last()", FunctionError),
        ("$.words.index(99)", FunctionError),
        ("$.words.index()", FunctionError),
        ("$.tree.first()", FunctionError),
        ("$..first()", FunctionError),
        ("$..k..length()", FunctionError),
        ("$.cars[?(@.tags.first() == 'red')]", FunctionError),
        ("$.cars[?(@.owner.keys() contains 'name')]", FunctionError),
        ("$.cars[?(@.owner empty true)]", FunctionError),
        ("$.cars[?(@.owner empty 1)]", FunctionError),
        ("$.cars[?(1 in [[1]])]", FunctionError),
        ("$.cars[?(@.tags anyof [[1]])]", FunctionError),
        ("$.cars[?(@.id noneof [[1]])]", FunctionError),
        ("$.cars[?(@.id exists 1)]", FunctionError),
        ("$.*.index(99)", FunctionError),
        ("$.*.sum(1, $.nope)", PathNotFoundError),
    ],
)
def test_evaluation_error(path: str, error: type[EvaluationError]) -> None:
    with pytest.raises(error) as raised:
        jsonpath.compile(path)(GARAGE)
    assert raised.type in (error, jsonpath.OutOfRangeError)


VALUE_LIST: list[Any] = json.loads(
    '[0, 1, 1.0, 1.5, "1", "1.0", "a", "B", "", null, true, "true", [], {}, [1], {"a": 1}]'
)


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("@ == 1", [1, 1.0, "1"]),
        ("1 == @", [1, 1.0, "1", "1.0"]),
        ("@ == '1'", [1, 1.0, "1"]),
        ("'1' == @", [1, "1"]),
        ("@ === 1", [1, 1.0]),
        ("@ === '1'", ["1"]),
        ("@ == 1.0", [1, 1.0, "1.0"]),
        ("@ == 1.50", [1.5]),
        ("@ == null", [None]),
        ("@ == true", [True]),
        ("@ == 'true'", ["true"]),
        ("@ == []", [[]]),
        ("@ == [1]", [[1]]),
        ("@ == [1.0]", []),
        ("@ == {'a':1}", [{"a": 1}]),
        ("[1] == @", []),
        ("@ == @", VALUE_LIST),
        ("@ !== 1", [v for v in VALUE_LIST if v is True or v not in (1, 1.0)]),
        ("@ < 1", [0]),
        ("@ <= 1", [0, 1, 1.0]),
        ("@ > 1", [1.5]),
        ("@ >= 1", [1, 1.0, 1.5]),
        ("@ < 'a'", ["1", "1.0", "B", ""]),
        ("@ < null", []),
        ("@ in [1, 'a', null]", [1, 1.0, "1", "a", None]),
        ("@ IN ['1']", [1, 1.0, "1"]),
        ("@ in ['a' 'B' true]", ["a", "B", True]),
        ("@ nin [1, 'a', null, true, 0, '']", [1.5, "1.0", "B", "true", [], {}, [1], {"a": 1}]),
        ("@ in 'a'", []),
        ("@ nin 'a'", []),
        ("@ in @", []),
        ("@ in {'a':1}", []),
        ("@ nin {'a':1}", VALUE_LIST),
        ("@.x nin @.y", []),
        ("@ contains 'a'", ["a"]),
        ("@ contains '1'", ["1", "1.0", [1]]),
        ("@ contains 1", [[1]]),
        ("@ size 1", ["1", "a", "B", [1]]),
        ("@ size -1", [{}, {"a": 1}]),
        ("@ size 1e99", []),
        ("@ size '1'", []),
        ("@ subsetof [1, 2]", [[], [1]]),
        ("@ anyof [1, 2]", [[1]]),
        ("@ noneof [1, 2]", [[]]),
        ("[1] subsetof @", [[1]]),
        ("1 noneof [1]", []),
        ("[1] noneof {}", []),
        ("@ =~ /1.*/", [1, 1.0, 1.5, "1", "1.0", [1]]),
        ("/1/ =~ @", [1, "1", [1]]),
        ("@ =~ /true/", [True, "true"]),
        ("@ =~ //", ["", None, {}, {"a": 1}]),
        ("@ =~ 'a'", []),
        ("@ exists true", [True]),
        ("@ all [1]", []),
        ("@ type 'x'", []),
        ("@ matches 'x'", []),
        ("@ == 1 || @ all [1]", [1, 1.0, "1"]),
        ("@ all [1] || @ == 1", []),
        ("@.a == 1", [{"a": 1}]),
        ("@.a == null", []),
        ("@.a != 1", VALUE_LIST[:-1]),
        ("@.a == @.b", []),
        ("@.a nin [1]", VALUE_LIST[:-1]),
        ("@[0] == 1", [[1]]),
        ("@", VALUE_LIST),
        ("!@", []),
        ("true == true", VALUE_LIST),
        ("1 < 2", VALUE_LIST),
        ("'😀' < '\uffff'", VALUE_LIST),  # by UTF-16 units, as Java orders
    ],
)
def test_condition(condition: str, chosen: list[Any]) -> None:
    found = jsonpath.compile(f"$[?({condition})]")(VALUE_LIST)
    assert json.dumps(found) == json.dumps(chosen)


@pytest.mark.parametrize(
    "condition",
    [
        "@ all @",
        "@ type 'x'",
        "@ matches 'x'",
        "@ in 'a'",
        "@ nin 'a'",
        "@ in @.nope",
        "@ nin @.nope",
        "@ subsetof 1",
        "1 anyof [1]",
        "@.nope noneof [1]",
        "'a' empty 1",
        "true exists 1",
        "1 exists true",
        "@.nope()",
    ],
)
def test_an_operator_that_fails_is_false_and_so_is_its_negation(condition: str) -> None:
    for text in (condition, f"!({condition})", f"!!({condition})", f"!({condition} && 1 == 1)"):
        assert jsonpath.compile(f"$[?({text})]")(VALUE_LIST) == []


def test_an_operator_on_lists_is_false_for_an_object_and_true_negated() -> None:
    for operator in ("in", "subsetof", "anyof", "noneof"):
        assert jsonpath.compile(f"$[?(!([] {operator} @))]")([{}]) == [{}]
    assert jsonpath.compile("$[?(!(@ contains 1))]")([{}]) == [{}]


def test_a_function_behind_a_scan_works_on_what_the_filter_tests() -> None:
    path = jsonpath.compile("$[?(@..nope.concat() == 'ab')]")
    assert path([["a", "b"], ["c"]]) == [["a", "b"]]


def test_only_elements_of_lists_are_left_out_where_a_function_fails() -> None:
    first = jsonpath.compile("$.*.first()")
    assert first([[1], [], [2]]) == [1, 2]
    with pytest.raises(jsonpath.OutOfRangeError):
        first({"a": [1], "b": []})
    # The failure takes all of the list's element with it.
    inner = jsonpath.compile("$[*].*.first()")
    assert inner([{"a": [], "b": [1]}, {"a": [2]}]) == [2]


@pytest.mark.parametrize("element", ["$.a", "@", " $['x'] ", "@.b"])
def test_list_elements_that_look_like_paths_equal_nothing(element: str) -> None:
    document = {"list": [element, "plain"], "one": element}
    assert jsonpath.compile("$[?(@.one in @.list)]")(document) == []
    assert jsonpath.compile("$[?('plain' in @.list)]")(document) == [document]


def test_list_elements_are_read_again() -> None:
    document = {"list": ["[ci]", "{}", "'quoted'", "{ci}", "plain"]}
    for text, found in [
        ("'[ci]' in @.list", False),
        ("'{}' in @.list", False),
        ("'quoted' in @.list", True),
        ('"{ci}" in @.list', True),
        ("@.list contains 'plain'", True),
    ]:
        assert jsonpath.compile(f"$[?({text})]")(document) == [document] * found


def test_empty() -> None:
    documents = [{"v": v} for v in ([], [1], "", "x", None, 5)] + [{}]
    assert jsonpath.compile("$[?(@.v empty true)].v")(documents) == [[], ""]
    assert jsonpath.compile("$[?(@.v empty false)].v")(documents) == [[1], "x"]
    assert jsonpath.compile("$[?(@.v empty 1)].v")(documents) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e7, "1.0E+7"),
        (1.5e-4, "0.00015"),
        (1e-7, "1.0E-7"),
        (0.001, "0.001"),
        (-0.0, "0.0"),
        (10**25, f"{10**25}"),
    ],
)
def test_a_number_meets_a_string_as_java_writes_it(number: float, text: str) -> None:
    assert jsonpath.compile("$[?(@.s == @.n)].s")({"s": text, "n": number}) == [text]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e7, "1.0E7"),
        (1.5e-4, "1.5E-4"),
        (1.0, "1.0"),
        (True, "true"),
        ({"a": {"b": None}}, "{a={b=null}}"),
        ([["a/b", {"k": 1}]], '["a\\/b",{"k":1}]'),
    ],
)
def test_concat_writes_values_as_java_does(value: Any, text: str) -> None:
    assert jsonpath.compile("$.concat($.v)")({"v": value}) == text


def test_lenient_json_in_a_filter() -> None:
    path = jsonpath.compile("$[?(@.v == {a: 'x', \"b\": [1, true, null, bare word,, 1.5],})].n")
    assert path([{"n": 1, "v": {"b": [1, True, None, "bare word", 1.5], "a": "x"}}, {"n": 2}]) == [
        1
    ]
