"""The demo, as a newcomer runs it."""

import subprocess
from pathlib import Path

from support.command_line import PROGRAM
from support.server import clean_environment


def test_the_demo_shows_three_verdicts_and_the_log(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "demo"],
        cwd=tmp_path,
        env={**clean_environment(), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in (
        "$.ref is refs/heads/main",
        "X-Hub-Signature-256 does not match the body",
        "$.ref is refs/heads/feature, not refs/heads/main",
        "│ Hello from the commit that was pushed.",
        "docs/quickstart.md",
    ):
        assert shown in done.stdout
    assert not list(tmp_path.iterdir())
