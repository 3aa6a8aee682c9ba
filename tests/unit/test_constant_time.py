"""Nothing that a stranger may guess is compared by a comparison that ends at the first difference.

No run of the program can tell the two apart, so its syntax is looked at.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hookline

SOURCES = Path(hookline.__file__).parent
GUESSED = {"signature", "expected", "digest", "hmac", "mac", "check", "secret", "secret_token"}
GUESSED |= {"token", "secret_access_key", "password"}
# Where nobody can guess: what is compared, and why that may be done so.
ALLOWED = {
    ("sealing.py", "_text(decoded) == token"): "both are the caller's",
    ("api/pagination.py", "_text(sealed) != token"): "both are the caller's",
    ("store/webhooks.py", "webhooks.c.token_hash == token_hash(token)"): "hashes, in an index",
    ("store/action_executions.py", "action_executions.c.token == token"): "by holders of a key",
    ("store/executions.py", "executions.c.client_request_token == token"): "no secret",
    ("declarations/stack.py", "secret in text"): "on the caller's machine",
    ("demo.py", "self.answer.get('outcome') == self.expected"): "no secret",
}


def names(node: ast.expr) -> Iterator[str]:
    """What the value of an expression is called, with the functions and methods it goes through."""
    match node:
        case ast.Name(id=name):
            yield name
        case ast.Attribute(attr=name):
            yield name
        case ast.Call(func=called, args=arguments):
            yield from names(called)
            for argument in arguments:
                yield from names(argument)


def comparisons(tree: ast.AST) -> Iterator[ast.Compare]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(
            isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in node.ops
        ):
            yield node


def found() -> Iterator[tuple[str, str]]:
    for file in sorted(SOURCES.rglob("*.py")):
        for compared in comparisons(ast.parse(file.read_text())):
            sides = (compared.left, *compared.comparators)
            literal = any(isinstance(side, ast.Constant) for side in sides)
            if not literal and any(GUESSED & set(names(side)) for side in sides):
                yield str(file.relative_to(SOURCES)), ast.unparse(compared)


def test_t2_w5_p3_secrets_are_compared_in_constant_time() -> None:
    assert set(found()) == set(ALLOWED)


@pytest.mark.parametrize("file", ["receiver/authentication.py", "api/sigv4.py", "sealing.py"])
def test_t2_w5_p3_whatever_checks_a_signature_or_a_token_does_so(file: str) -> None:
    assert "hmac.compare_digest(" in (SOURCES / file).read_text()
