"""The list of guards is kept: each is where it says, and so are the tests that are to notice."""

import ast
import re
from pathlib import Path

import pytest

from support.guards import CHECKOUT, Guard, read

GUARDS = read()


def functions(file: Path) -> set[str]:
    tree = ast.walk(ast.parse(file.read_text()))
    return {node.name for node in tree if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_stands_where_the_list_says(guard: Guard) -> None:
    text = (CHECKOUT / guard.file).read_text()
    assert text.count(guard.text) == 1
    assert guard.text != guard.without
    ast.parse(text.replace(guard.text, guard.without))
    for test in guard.tests:
        file, _, name = test.partition("::")
        assert (CHECKOUT / file).is_file(), test
        assert not name or name in functions(CHECKOUT / file), test


def test_names_tell_guards_apart() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_the_page_on_security_names_tests_that_exist() -> None:
    folders = (CHECKOUT / "tests" / name for name in ("unit", "wire", "acceptance"))
    files = (file for folder in folders for file in folder.rglob("test_*.py"))
    known = {name for file in files for name in functions(file)}
    page = (CHECKOUT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert named <= known
