"""What is no path, where the mistake is, and how it is shown."""

import pytest

from hookline import jsonpath
from hookline.jsonpath import CompileError


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        (" ", 0),
        (" $.a", 0),
        ("$.", 1),
        ("$.a.", 3),
        ("$.a..", 4),
        ("$..", 2),
        ("$...a", 3),
        ("$a", 1),
        ("$$", 1),
        ("$ .a", 1),
        ("$.a b", 3),
        ("a b", 1),
        ("$. a", 2),
        ("$[]", 2),
        ("$[a]", 2),
        ("$['a'", 5),
        ("$['a", 2),
        ("$['a',]", 6),
        ("$['a' 'b']", 6),
        ("$['a',0]", 6),
        ("$['a',\"b\"]", 6),
        ("$['\\u00zz']", 10),
        ("$[0,'a']", 2),
        ("$[*,*]", 3),
        ("$[0", 3),
        ("$[0,]", 2),
        ("$[1.0]", 3),
        ("$[+1]", 2),
        ("$[0 1]", 2),
        ("$[2147483648]", 2),
        ("$[:]", 2),
        ("$[::2]", 2),
        ("$[1 : 2]", 2),
        ("$[0,1:2]", 2),
        ("$[?]", 3),
        ("$[?()]", 4),
        ("$[?@.a]", 3),
        ("$[?(@.a]", 3),
        ("$[?(@.a)", 8),
        ("$[?(@.a),0]", 8),
        ("$[(@.a)]", 2),
        ("$[?(@.a = 1)]", 8),
        ("$[?(@.a <> 1)]", 8),
        ("$[?(@.a FOO 1)]", 8),
        ("$[?(@.a in)]", 10),
        ("$[?(@.a == b)]", 11),
        ("$[?(@.a == 1x)]", 12),
        ("$[?(@.a == 1.2.3)]", 11),
        ("$[?(@.a == +1)]", 11),
        ("$[?(@.a == 'x)]", 11),
        ("$[?(@.a && )]", 11),
        ("$[?(@.a & @.b)]", 8),
        ("$[?(5)]", 5),
        ("$[?(!5)]", 6),
        ("$[?(@.a == ! 5)]", 13),
        ("$[?((@.a)]", 3),
        ("$[?(@.a == [1)]", 11),
        ("$[?(@.a.index(1) == 2)]", 13),
        ("$[?(@.a == 1 @.b)]", 13),
        ("$.f(", 3),
        ("$.f(1", 3),
        ("$.f(1]).g()", 3),
        ("$.f({)", 3),
        ("$.f($.f($.a))", 7),
        ("$.f($.a , 1)", 7),
        ("$[?(@[2][' '])]", 9),
        ("$[?(@['a']['b c'] == 1)]", 11),
        ("$['a','b'!]", 9),
        ("$.f($.a b)", 7),
        ("$[?(@.a == [{'b' 1}])]", 17),
        ("$[?(@.a == {'b':})]", 16),
        ("$[?(@.a == [:])]", 12),
        ("$[?(@.a in ['b''c'])]", 17),
        ("$.f(.g(), $.a)", 11),
    ],
)
def test_compile_error_and_its_place(text: str, position: int) -> None:
    with pytest.raises(CompileError) as raised:
        jsonpath.compile(text)
    assert raised.value.position == position
    assert raised.value.text == text
    path, caret = raised.value.caret.split("\n")
    assert (path, caret) == (text, " " * position + "^")
    assert str(raised.value).startswith(f"{raised.value.message} at position {position}\n")


def test_the_caret_of_a_long_path_shows_its_surroundings() -> None:
    text = "$." + "a" * 400 + " b" + "c" * 400
    with pytest.raises(CompileError) as raised:
        jsonpath.compile(text)
    path, caret = raised.value.caret.split("\n")
    assert len(path) < 130
    assert path[caret.index("^")] == text[raised.value.position]


def test_control_characters_do_not_move_the_caret() -> None:
    with pytest.raises(CompileError) as raised:
        jsonpath.compile("$.a\n\t b")
    assert raised.value.caret == "$.a   b\n     ^"


@pytest.mark.parametrize(
    "error",
    [
        jsonpath.BudgetError,
        jsonpath.DepthError,
        jsonpath.FunctionError,
        jsonpath.OutOfRangeError,
        jsonpath.PathNotFoundError,
        jsonpath.StepError,
        jsonpath.CompileError,
    ],
)
def test_all_errors_are_of_one_tree_and_explained(error: type[Exception]) -> None:
    assert issubclass(error, jsonpath.JSONPathError)
    assert error.__doc__
    compiles = error is jsonpath.CompileError
    assert issubclass(error, jsonpath.EvaluationError) is not compiles
