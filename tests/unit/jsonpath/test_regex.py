"""Regular expressions: Java's meaning on RE2, or a refusal that names the construct."""

import pytest

from hookline import jsonpath
from hookline.jsonpath import CompileError


def matches(pattern: str, text: object) -> bool:
    return bool(jsonpath.compile(f"$[?(@.v =~ {pattern})]")({"v": text}))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"/main/", "main"),
        (r"/refs\/(heads|tags)\/.+/", "refs/tags/v1"),
        (r"/^main$/", "main"),
        (r"/^(?:main$|dev)/", "dev"),
        (r"/^a$|^b$/", "b"),
        (r"/(a|b$)/", "b"),
        (r"/ref.*/i", "REFS"),
        (r"/(?i)ref.*/", "REFS"),
        (r"/(?i:r)ef(?-i)/", "Ref"),
        (r"/[a-f]+/i", "aBcF"),
        (r"/[^a]/i", "b"),
        (r"/É/iu", "é"),
        (r"/a.b/s", "a\nb"),
        (r"/a.b/d", "a\rb"),
        (r"/^a$.^b$/ms", "a\nb"),
        (r"/ a  b # comment/x", "ab"),
        (r"/a\ b/x", "a b"),
        (r"/\d+\.\d{1,3}?/", "12.5"),
        (r"/\w\W\s\S\D/", "a-\x0bxy"),
        (r"/[\w.-]+/", "a.b-c"),
        (r"/[]a]+/", "]a"),
        (r"/[a\]-]+/", "a]-"),
        (r"/[^\s]/", "x"),
        (r"/\p{Lu}\p{IsL}\p{Alpha}\P{Digit}\pL\p{IsGreek}/", "ÉéaxÉλ"),
        (r"/\x41\u00e9\x{1F600}\t\cA\e/", "Aé😀\t\x01\x1b"),
        (r"/\uD83D\uDE00/", "😀"),
        (r"/\Qa.b\E+/", "a.bb"),
        (r"/\Q$^/", "$^"),
        (r"/\bfoo\b/", "foo"),
        (r"/(?<name>a)b/", "ab"),
        (r"/\Aa\z/", "a"),
        (r"/\d\w\s/U", "٣é\u3000"),
        (r"/.*/", None),
        (r"/1\.5/", 1.5),
        (r"/1.0E.7/", 1e7),
        (r"/.b/", ["xx", "ab"]),
        (r"/./", "\ud800"),
        (r"/a{2}b?c*/", "aac"),
        (r"/a||b/", ""),
    ],
)
def test_matches(pattern: str, text: object) -> None:
    assert matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"/main/", "remains"),
        (r"/main$/", "main\n"),
        (r"/a.b/", "a\nb"),
        (r"/a.b/", "a\u2028b"),
        (r"/a.b/d", "a\nb"),
        (r"/É/i", "é"),
        (r"/k/i", "\u212a"),
        (r"/\w/", "é"),
        (r"/\d/", "٣"),
        (r"/\s/", "\u00a0"),
        (r"/[^a]/i", "A"),
        (r"/\Q\/\E/", "/"),
        (r"/\S/", "\x0b"),
        (r"/\bfoo\b/", "éfoo"),
        (r"/true/", "True"),
        (r"/a/", {"a": "a"}),
    ],
)
def test_does_not_match(pattern: str, text: object) -> None:
    assert not matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "construct", "offset"),
    [
        (r"/a(?=b)/", "a lookaround", 1),
        (r"/a(?!b)/", "a lookaround", 1),
        (r"/(?<=a)b/", "a lookaround", 0),
        (r"/(?<!a)b/", "a lookaround", 0),
        (r"/(?>a)b/", "an atomic group", 0),
        (r"/(a)\1/", "a backreference", 3),
        (r"/(?<n>a)\k<n>/", "a backreference", 7),
        (r"/a*+/", "a possessive quantifier", 1),
        (r"/a{2}+/", "a possessive quantifier", 1),
        (r"/a**/", "'**'", 1),
        (r"/[a[b]]/", "a class within a class", 2),
        (r"/[a&&b]/", "the intersection of classes", 2),
        (r"/\07/", "an octal escape", 0),
        (r"/\h/", r"'\\h'", 0),
        (r"/a\R/", r"'\\R'", 1),
        (r"/\Z/", r"'\\Z'", 0),
        (r"/\G/", r"'\\G'", 0),
        (r"/\v/", r"'\\v'", 0),
        (r"/\X/", r"'\\X'", 0),
        (r"/[\v]/", r"'\\v'", 1),
        (r"/\y/", r"'\\y'", 0),
        (r"/a$b/", "$ before the end", 1),
        (r"/(a$|b)c/", "$ before the end", 2),
        (r"/a{,3}/", "'{,3}'", 1),
        (r"/{/", "'{'", 0),
        (r"/(?P<n>a)/", "'(?P<'", 0),
        (r"/\p{Lu}/i", "with the flag i", 0),
        (r"/\W/U", "with the flag U", 0),
        (r"/\b/U", "with the flag U", 0),
        (r"/\p{javaLowerCase}/", "javaLowerCase", 0),
        (r"/[\W]/iu", "a negated set", 1),
        (r"/[a-\d]/", "a range that ends in a set", 3),
        (r"/[ a]/x", "' '", 1),
        (r"/\uD800/", "half a character", 0),
        (r"/\uD8zz\uDCzz/", r"'\\u'", 0),
        (r"/\x{110000}/", "none of Unicode's", 0),
    ],
)
def test_refused_by_name(pattern: str, construct: str, offset: int) -> None:
    with pytest.raises(CompileError) as raised:
        matches(pattern, "")
    assert construct in raised.value.message
    assert raised.value.position == len("$[?(@.v =~ /") + offset


@pytest.mark.parametrize(
    "pattern",
    ["/(/", "/)/", "/*/", "/a|*/", "/[a/", "/[]/", "/a{1001}/", "/[b-a]/", "/abc", r"/a\/", "/a/q"],
)
def test_not_a_pattern(pattern: str) -> None:
    with pytest.raises(CompileError):
        matches(pattern, "")
