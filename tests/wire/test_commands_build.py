"""`hookline build` as a person uses it: a folder in, a log, artifacts and an exit status out."""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from support.command_line import PROGRAM
from support.server import clean_environment

PACKAGE = {
    "app/__init__.py": "def double(number: int) -> int:\n    return 2 * number\n",
    "tests/test_app.py": (
        "import app\n\n\ndef test_double():\n    assert app.double(2) == 4\n\n\n"
        "def test_zero():\n    assert app.double(0) == 0\n"
    ),
    "README.md": "An app.\n",
    "buildspec.yml": """\
        version: 0.2
        env:
          shell: bash
          variables:
            STAGE: test
          exported-variables: [VERSION]
        phases:
          install:
            runtime-versions:
              python: 3.x
          pre_build:
            commands:
              - VERSION=1.2.$(ls tests/*.py | wc -l)
          build:
            commands:
              - python -m pytest -q -p no:cacheprovider --junitxml=reports/unit.xml
            finally:
              - echo "tested for $STAGE"
          post_build:
            commands:
              - mkdir -p dist && cp -r app dist/ && echo "$VERSION" > dist/version.txt
        reports:
          unit:
            files: [unit.xml]
            base-directory: reports
        artifacts:
          files: ['**/*']
          base-directory: dist
          exclude-paths: ['**/__pycache__/**/*']
          name: app-$VERSION
          secondary-artifacts:
            docs:
              files: ['*.md']
              discard-paths: yes
        """,
}


def source(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(dedent(text))
    return folder


def build(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [PROGRAM, "build", *map(str, arguments)],
        env={**clean_environment(), "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_python_package_is_tested_and_packed(tmp_path: Path) -> None:
    folder, out = source(tmp_path / "app", PACKAGE), tmp_path / "out"
    done = build(folder, "--artifacts", out, "--env", "STAGE=release")

    assert (done.returncode, done.stderr) == (0, "")
    assert "tested for release\n" in done.stdout
    assert re.search(
        r"^\[Container\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} Entering phase INSTALL$",
        done.stdout,
        re.MULTILINE,
    )
    assert done.stdout.endswith(
        f"""
build     SUCCEEDED
exported  VERSION=1.2.1
artifact  primary (app-1.2.1)
artifact  docs
report    unit: 2 tests, 0 failed
kept in   {out}
"""
    )
    assert files(out) == {
        "primary/app/__init__.py",
        "primary/version.txt",
        "secondary/docs/README.md",
        "reports/1-unit/unit.xml",
    }
    assert files(folder) == set(PACKAGE)


def test_a_failed_build_says_why_and_keeps_what_there_is(tmp_path: Path) -> None:
    broken = "def double(number: int) -> int:\n    return number\n"
    folder = source(tmp_path / "app", {**PACKAGE, "app/__init__.py": broken})
    out = tmp_path / "out"
    done = build(folder, "--artifacts", out)

    assert done.returncode == 1
    assert "tested for test\n" in done.stdout
    summary = done.stdout.rpartition("\n\n")[2].splitlines()
    command = "python -m pytest -q -p no:cacheprovider --junitxml=reports/unit.xml"
    why = f"Error while executing command: {command}. Reason: exit status 1"
    assert summary[:2] == ["build     FAILED", f"why       {why}"]
    assert "report    unit: 2 tests, 1 failed" in summary
    assert "primary/version.txt" in files(out)


def test_the_artifacts_of_an_earlier_build_are_replaced_and_nothing_else(tmp_path: Path) -> None:
    spec = "version: 0.2\nphases: {build: {commands: [touch $NAME]}}\nartifacts: {files: [$NAME]}"
    folder, out = source(tmp_path / "app", {"buildspec.yml": spec}), tmp_path / "out"
    for name in ("one", "two"):
        assert build(folder, "--artifacts", out, "--env", "NAME", NAME=name).returncode == 0
    assert files(out) == {"primary/two"}

    (out / "mine").touch()
    refused = build(folder, "--artifacts", out, "--env", "NAME=three")
    assert refused.returncode == 2
    assert refused.stderr == (
        f"hookline: --artifacts {out} has other files (mine): name a new folder\n"
    )
    assert files(out) == {"primary/two", "mine"}


def test_errors_of_the_buildspec_are_listed_by_line(tmp_path: Path) -> None:
    other = source(tmp_path, {"ci/other.yml": "version: 0.2\nphases:\n  biuld:\n    commands: a\n"})
    done = build(tmp_path, "--buildspec", other / "ci/other.yml")
    assert done.returncode == 1
    assert "why       line 3: phases/biuld: the phases are install, pre_build," in done.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["missing"], "missing is no folder"),
        (["."], "There is no {folder}/buildspec.yml: write it, or name another buildspec with"),
        ([".", "--buildspec", "b.yml"], "There is no b.yml: write it"),
        ([".", "--buildspec", "c.yml", "--env", "A-B=c"], "--env A-B: the name of a variable has"),
        ([".", "--buildspec", "c.yml", "--env", "NOWHERE"], "--env NOWHERE: there is no such"),
    ],
)
def test_what_can_not_be_run_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yml").write_text("version: 0.2\nphases: {build: {commands: [a]}}")
    done = build(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hookline: {error.format(folder=tmp_path)}")
    assert done.stderr.count("\n") == 1


def test_secrets_that_only_aws_has_are_refused_with_what_to_do(tmp_path: Path) -> None:
    spec = "version: 0.2\nenv: {secrets-manager: {KEY: a}}\nphases: {build: {commands: [a]}}"
    done = build(source(tmp_path, {"buildspec.yml": spec}))
    assert done.returncode == 1
    assert "KEY (env/secrets-manager). Give them as environment variables" in done.stdout


def test_secrets_that_are_given_are_masked(tmp_path: Path) -> None:
    spec = """\
        version: 0.2
        env: {secrets-manager: {KEY: a}}
        phases: {build: {commands: ['printf "key "; sleep 0.1; printf "$KEY."']}}
        """
    folder = source(tmp_path, {"buildspec.yml": spec})
    done = build(folder, "--env", "KEY", KEY="correct horse battery")
    assert done.returncode == 0
    assert "\nkey ****.\n" in done.stdout
    assert "battery" not in done.stdout
