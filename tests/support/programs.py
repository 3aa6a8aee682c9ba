"""Finds the programs that tests are about."""

import os
import shutil
import sys
from pathlib import Path

import pytest


def program(name: str) -> str:
    """The path of a program; the test is skipped where there is none.

    Beside PATH it looks beside this Python, and where Debian keeps PostgreSQL's programs.
    """
    postgresql = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), *postgresql]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        pytest.skip(f"needs {name}")
    return found
