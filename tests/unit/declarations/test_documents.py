import pytest

from hookline.declarations.documents import LARGEST, as_yaml, documents
from hookline.errors import HooklineError


def contents(text: str, file: str = "file.yaml") -> list[object]:
    return [document.content for document in documents(file, text.encode())]


def test_json_and_yaml_are_read_alike() -> None:
    expected = [{"a": [1, "1.10", True, "x"]}]
    assert contents('{"a": [1, 1.10, true, "x"]}', "a.json") == expected
    assert contents('{"a": [1, 1.10, true, "x"]}', "-") == expected
    assert contents("a: [1, 1.10, yes, x]") == expected
    assert contents("{a: [1, 1.10, true, x]}") == expected


@pytest.mark.parametrize("text", ["2012-10-17", "000000000000", "0o17", "0x1f", "1e3", "1_000"])
def test_yaml_keeps_what_would_lose_its_spelling(text: str) -> None:
    assert contents(f"a: {text}") == [{"a": text}]


def test_yaml_takes_several_documents_and_names_each() -> None:
    found = documents("a.yaml", b"---\na: 1\n---\n---\nb: 2\n")
    assert [(item.title, item.content) for item in found] == [
        ("a.yaml, document 1", {"a": 1}),
        ("a.yaml, document 3", {"b": 2}),
    ]


def test_short_tags_become_functions() -> None:
    assert contents("""
a: !Ref X
b: !GetAtt X.Y.Z
c: !Sub ["${A}", {A: !Join ["", [a, b]]}]
d: !If [C, !Ref A, !Ref "AWS::NoValue"]
e: !Equals [a, b]
f: !Condition C
""") == [
        {
            "a": {"Ref": "X"},
            "b": {"Fn::GetAtt": ["X", "Y.Z"]},
            "c": {"Fn::Sub": ["${A}", {"A": {"Fn::Join": ["", ["a", "b"]]}}]},
            "d": {"Fn::If": ["C", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]},
            "e": {"Fn::Equals": ["a", "b"]},
            "f": {"Condition": "C"},
        }
    ]


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "holds more than 200000 values"),
        ("a: &a [*a]", "nested more than 100 levels deep"),
        ("[" * 100_000, "nested too deeply"),
        ("- " * 5_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("a: 'unfinished s3cret", "line 1, column"),
        ("a: \x00", "characters that YAML doesn't allow"),
        ("a: !!python/object/apply:os.system [s3cret]", "is not one of CloudFormation's"),
        ("a: !Rfe X", "!Rfe is not one of CloudFormation's"),
        ("? [a]\n: b", "a key must be a text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "merge key"),
        ("a: " + "x" * LARGEST, "larger than 5 MB"),
    ],
)
def test_what_can_t_be_read_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(HooklineError) as raised:
        documents("file.yaml", text.encode())
    assert message in raised.value.message
    assert raised.value.message.startswith("file.yaml can't be read: ")
    assert "s3cret" not in raised.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "line 1, column 2"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[" + b"9" * 5_000 + b"]", "number in it is too long"),
    ],
)
def test_json_that_can_t_be_read(data: bytes, message: str) -> None:
    with pytest.raises(HooklineError) as raised:
        documents("a.json", data)
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("text", "content", "warning"),
    [
        ("b:\n  c: s3cret\n  c: 2\n", {"b": {"c": 2}}, "line 3: the key 'c'"),
        ('{"a": "s3cret",\n "a": 1}', {"a": 1}, "line 2: the key 'a'"),
        ('[{"a": 1, "a": 2, "a": 3}]', [{"a": 3}], "the key 'a'"),
    ],
)
def test_of_a_repeated_key_the_last_value_counts(text: str, content: object, warning: str) -> None:
    [found] = documents("file.yaml", text.encode())
    assert found.content == content
    assert found.warnings == (f"file.yaml: {warning} is repeated; its last value counts",)


def test_a_warning_names_its_document() -> None:
    first, second = documents("f.yaml", b"a: 1\n---\nb: 1\nb: 2\n")
    assert first.warnings == ()
    [warning] = second.warnings
    assert warning.startswith("f.yaml, document 2: line 4: ")


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("a: foo\t\nb: 1\t \n", {"a": "foo", "b": 1}),
        ("a: \"x\"\t\nb: 'y'\t# z\n", {"a": "x", "b": "y"}),
        ("a:\t\n  b:\tfoo\n\t\nc: 2\n\t# d\n\t", {"a": {"b": "foo"}, "c": 2}),
        ("a: foo\t\n  bar\tbaz\nb: c", {"a": "foo bar\tbaz", "b": "c"}),
        ("- a\t\n-\tb\n", ["a", "b"]),
        ("a: !Ref X\t\nb: [1,\t2]\t\n", {"a": {"Ref": "X"}, "b": [1, 2]}),
        ("{a:\t1,\n\tb: c}\t\n", {"a": 1, "b": "c"}),
        # What a text itself holds stays.
        ("a: |\t\n  x\n  y\t\nb: |1-\t# c\n  z\n", {"a": "x\ny\t\n", "b": " z"}),
        ("a: >2+\t\n  x\n  y\n\n", {"a": "x y\n\n"}),
    ],
)
def test_tabs_may_stand_where_yaml_takes_blanks(text: str, content: object) -> None:
    assert contents(text) == [content]


def test_tabs_can_t_indent() -> None:
    with pytest.raises(HooklineError, match="line 2, column 1: found character"):
        documents("f.yaml", b"a:\n\tb: 1")


@pytest.mark.parametrize(
    "text",
    [
        "version: 0.2\nphases: {}\n",
        "no end",
        "two\nlines",
        "kept\n\n\n",
        "  indented\nfirst\n",
        "\n",
        "\nempty first\n",
        "trailing blanks \n\ttabs\n",
        "# no comment\n--- \n...\n",
        "windows\r\nlines\r\n",
        "\x1b[2J\n",
    ],
)
def test_what_is_written_as_yaml_is_read_as_it_was(text: str) -> None:
    written = as_yaml({"outer": [{"text": text, "number": 1}]})
    assert contents(written) == [{"outer": [{"text": text, "number": 1}]}]


def test_lines_are_written_as_lines() -> None:
    assert as_yaml({"buildspec": "version: 0.2\nenv: {}\n"}) == (
        "buildspec: |\n  version: 0.2\n  env: {}\n"
    )
