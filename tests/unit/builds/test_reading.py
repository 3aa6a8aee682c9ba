from contextlib import suppress
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.builds.buildspec import Buildspec, FailureAction, Shell
from hookline.builds.reading import read
from hookline.errors import BuildspecError

PHASES = "phases: {build: {commands: [make]}}\n"
SECONDARY = "{a-b: {files: [c]}}"
SIX_GROUPS = f"{{{', '.join(f'g{n}: {{files: [a]}}' for n in range(6))}}}"
FULL = """\
version: 0.2
run-as: builder
env:
  shell: bash
  variables:
    JAVA_HOME: "/usr/lib/jvm/17"
    VERSION: 1.10
    DEBUG: yes
    NOTHING:
  parameter-store:
    PASSWORD: /app/password
  secrets-manager:
    TOKEN: app/secret:token:AWSCURRENT
  exported-variables:
    - TAG
    - VERSION
  git-credential-helper: no
proxy:
  upload-artifacts: yes
  logs: no
phases:
  install:
    runtime-versions:
      java: corretto17
      python: 3.12
    commands:
      - apt-get install -y maven
    finally:
      - echo installed
  pre_build:
    run-as: other
    on-failure: ABORT
    commands:
      - 'echo "a: b"'
  build:
    on-failure: RETRY-2-.*timed out.*
    commands:
      - |
        if true; then
          mvn install
        fi
  post_build:
    commands:
      - true
reports:
  arn:aws:codebuild:eu-west-1:123456789012:report-group/unit:
    files: ["**/*"]
    base-directory: target/reports
    discard-paths: no
  cucumber:
    files:
      - cucumber/tests.json
    file-format: CucumberJson
artifacts:
  files:
    - target/app.jar
  base-directory: 'build*'
  name: app-$(date +%F)
  discard-paths: yes
  exclude-paths: "**/*.md"
  enable-symlinks: yes
  s3-prefix: builds
  secondary-artifacts:
    docs:
      files: [site/**/*]
      name: docs
cache:
  key: maven-$(codebuild-hash-files pom.xml)
  fallback-keys: [maven-]
  action: restore
  paths: [/root/.m2/**/*]
"""


def spec(text: str) -> Buildspec:
    return read(dedent(text).encode())


def errors(text: str) -> tuple[str, ...]:
    with pytest.raises(BuildspecError) as failed:
        spec(text)
    return failed.value.problems


def test_every_member_is_read() -> None:
    found = read(FULL.encode())

    assert (found.version, found.run_as, found.shares_shell) == ("0.2", "builder", True)
    assert found.environment.shell is Shell.BASH
    assert found.environment.variables == {
        "JAVA_HOME": "/usr/lib/jvm/17",
        "VERSION": "1.10",
        "DEBUG": "yes",
        "NOTHING": "",
    }
    assert found.environment.parameter_store == {"PASSWORD": "/app/password"}
    assert found.environment.secrets_manager == {"TOKEN": "app/secret:token:AWSCURRENT"}
    assert found.environment.exported == ("TAG", "VERSION")
    assert found.runtime_versions == {"java": "corretto17", "python": "3.12"}
    assert found.phases["install"].commands == ("apt-get install -y maven",)
    assert found.phases["install"].finally_commands == ("echo installed",)
    assert found.phases["pre_build"].run_as == "other"
    assert found.phases["pre_build"].commands == ('echo "a: b"',)
    assert found.phases["build"].commands == ("if true; then\n  mvn install\nfi\n",)
    assert found.phases["post_build"].commands == ("true",)
    [unit, cucumber] = found.reports
    assert unit.group.endswith("report-group/unit")
    assert (unit.file_format, unit.file_set.base_directory) == ("JUNITXML", "target/reports")
    assert (cucumber.file_format, cucumber.file_set.files) == (
        "CUCUMBERJSON",
        ("cucumber/tests.json",),
    )
    [primary, docs] = found.artifacts
    assert (primary.identifier, primary.name, primary.s3_prefix) == (
        None,
        "app-$(date +%F)",
        "builds",
    )
    assert primary.file_set.base_directory == "build*"
    assert primary.file_set.exclude_paths == ("**/*.md",)
    assert primary.file_set.discard_paths
    assert primary.file_set.enable_symlinks
    assert (docs.identifier, docs.name, docs.file_set.discard_paths) == ("docs", "docs", False)
    assert found.cache is not None
    assert (found.cache.action, found.cache.fallback_keys) == ("restore", ("maven-",))
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("text", "action", "count", "pattern"),
    [
        ("ABORT", FailureAction.ABORT, 3, None),
        ("CONTINUE", FailureAction.CONTINUE, 3, None),
        ("RETRY", FailureAction.RETRY, 3, None),
        ("RETRY-0", FailureAction.RETRY, 0, None),
        ("RETRY-8-invalid+", FailureAction.RETRY, 8, "invalid+"),
        ("Retry-.*Error: no database.*", FailureAction.RETRY, 3, ".*Error: no database.*"),
        ("RETRY-3x", FailureAction.RETRY, 3, "3x"),
    ],
)
def test_on_failure(text: str, action: FailureAction, count: int, pattern: str | None) -> None:
    found = spec(f"version: 0.2\nphases: {{build: {{on-failure: '{text}'}}}}")
    on_failure = found.phases["build"].on_failure
    assert on_failure is not None
    assert (on_failure.action, on_failure.count) == (action, count)
    assert (on_failure.pattern.pattern if on_failure.pattern else None) == pattern


def test_a_list_of_one_may_be_a_text() -> None:
    found = spec("version: 0.2\nphases: {build: {commands: make}}\nartifacts: {files: '**/*'}")
    assert found.phases["build"].commands == ("make",)
    assert found.artifacts[0].file_set.files == ("**/*",)


def test_there_may_be_secondary_artifacts_alone() -> None:
    found = spec(f"version: 0.2\n{PHASES}artifacts: {{secondary-artifacts: {{a: {{files: [b]}}}}}}")
    assert [artifact.identifier for artifact in found.artifacts] == ["a"]


def test_version_0_1_has_its_own_names() -> None:
    found = spec(
        """\
        version: 0.1
        environment_variables:
          plaintext: {A: b}
        phases: {build: {commands: [make]}}
        artifacts: {type: zip, files: [app.jar]}
        """
    )
    assert (found.version, found.shares_shell) == ("0.1", False)
    assert found.environment.variables == {"A": "b"}
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "it is empty"),
        ("- a", "line 1: a buildspec must be a mapping of names to values"),
        (
            "version: 0.2\nphases:\n  build: [\n",
            "line 4: expected the node content, but found '<st",
        ),
        ("version: 0.2\n\tphases: {}", "line 2: found character '\\t' that cannot start any token"),
        (PHASES, "line 1: version is missing: write version: 0.2"),
        (f"{PHASES}version: 0.3", "line 2: version must be one of 0.1, 0.2"),
        ("version: 0.2", "line 1: phases is missing"),
        (
            "version: 0.2\nphases:\n  test:\n    commands: [a]",
            "line 3: phases/test: the phases are install, pre",
        ),
        ("version: 0.2\nphases:\n  build: make", "line 3: phases/build must be a mapping"),
        (
            "version: 0.2\nphases:\n  build:\n    commands: {make: all}",
            "line 4: phases/build/commands must be a list",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b",
            "line 5: item 1 of phases/build/commands is a mapping: put it in quotes",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    commands:\n      - a\n      -",
            "line 6: item 2 of phases/build/commands is empty",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    commands:\n      - [a]",
            "line 5: item 1 of phases/build/commands is a list",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    on-failure: STOP",
            "line 4: phases/build/on-failure must be ABORT, CONTINUE, RETRY,",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    on-failure: RETRY-101",
            "line 4: phases/build/on-failure: the count must be 0 to 100",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    on-failure: RETRY-(",
            "line 4: phases/build/on-failure: the regular expression can't be used",
        ),
        (f"version: 0.2\n{PHASES}env: {{shell: cmd.exe}}", "line 3: env/shell must be one of sh,"),
        (f"version: 0.2\n{PHASES}env: {{variables: {{A B: c}}}}", "line 3: env/variables/A B: the"),
        (f"version: 0.2\n{PHASES}env: {{variables: {{A: [c]}}}}", "line 3: env/variables/A must"),
        (
            f"version: 0.2\n{PHASES}env: {{exported-variables: [A-B]}}",
            "line 3: env/exported-variables: A-B is not the name of a variable",
        ),
        (
            f"version: 0.2\n{PHASES}environment_variables: {{}}",
            "line 3: environment_variables is not a member of version 0.2: it has env",
        ),
        (
            f"version: 0.1\n{PHASES}env: {{}}",
            "line 3: env is not a member of version 0.1: it has environment_variables",
        ),
        (f"version: 0.2\n{PHASES}proxy: {{logs: maybe}}", "line 3: proxy/logs must be yes or no"),
        (f"version: 0.2\n{PHASES}artifacts:\n  name: a", "line 3: artifacts/files is missing"),
        (
            f"version: 0.2\n{PHASES}artifacts: {{files: [a], base-directory: ../b}}",
            "line 3: artifacts/base-directory: ../b leads out of the source folder",
        ),
        (
            f"version: 0.2\n{PHASES}artifacts: {{files: [a], secondary-artifacts: {SECONDARY}}}",
            "line 3: artifacts/secondary-artifacts/a-b: an identifier has",
        ),
        (f"version: 0.2\n{PHASES}reports: {{a: {{}}}}", "line 3: reports/a/files is missing"),
        (
            f"version: 0.2\n{PHASES}reports: {{a: {{files: [b], file-format: TAP}}}}",
            "line 3: reports/a/file-format must be one of JUNITXML, CUCUMBERJSON,",
        ),
        (
            f"version: 0.2\n{PHASES}reports: {SIX_GROUPS}",
            "line 3: reports has more than 5 groups",
        ),
        (f"version: 0.2\n{PHASES}cache: {{}}", "line 3: cache/paths is missing"),
        (
            f"version: 0.2\n{PHASES}cache: {{paths: [a], action: both}}",
            "line 3: cache/action must be one of restore, save",
        ),
        (f"version: 0.2\n{PHASES}version: 0.2", "line 3: a buildspec has version twice"),
        (
            "version: 0.2\nx: &x {commands: [a]}\nphases:\n  build:\n    <<: *x",
            "line 5: the merge key << is not taken",
        ),
    ],
)
def test_an_error_is_told_with_its_line(text: str, error: str) -> None:
    [found] = errors(text)
    assert found.startswith(error)


def test_all_errors_are_told_at_once_in_their_order() -> None:
    found = errors(
        """\
        version: 1
        env: {shell: fish}
        phases:
          build:
            commands: [a, [b]]
        artifacts:
          discard-paths: perhaps
        """
    )
    assert [error.partition(":")[0] for error in found] == [
        "line 1",
        "line 2",
        "line 5",
        "line 6",
        "line 7",
    ]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("phases: {build: {comands: [a]}}", "line 2: comands is not a member of phases/build, and"),
        (f"{PHASES}extra: 1", "line 3: extra is not a member of a buildspec, and does nothing"),
        (f"{PHASES}batch: {{fast-fail: no}}", "line 3: batch is not used: the phases run once"),
        (
            f"{PHASES}env: {{git-credential-helper: yes}}",
            "line 3: env/git-credential-helper is not used: git gets no credentials",
        ),
        (
            f"{PHASES}env: {{variables: {{CODEBUILD_A: b}}}}",
            "line 3: env/variables/CODEBUILD_A is reserved for CodeBuild, and is not set",
        ),
        (
            f"{PHASES}env: {{exported-variables: [AWS_A]}}",
            "line 3: env/exported-variables: AWS_A starts with AWS_, and is not exported",
        ),
        (
            f"{PHASES}env: {{secrets-manager: {{S: s}}, exported-variables: [S]}}",
            "line 3: env/exported-variables: S is a secret, and is not exported",
        ),
    ],
)
def test_what_does_nothing_is_warned_about(text: str, warning: str) -> None:
    found = spec(f"version: 0.2\n{text}")
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith(warning)
    assert found.environment.exported == ()


def test_aliases_repeat_and_can_not_multiply() -> None:
    shared = spec("version: 0.2\nx: &x [a, b]\nphases: {build: {commands: *x, finally: *x}}")
    assert shared.phases["build"].finally_commands == ("a", "b")
    phases = ", ".join(f"g{n}: {{files: *f}}" for n in range(200))
    files = ", ".join(["a"] * 200)
    [error] = errors(
        f"version: 0.2\nx: &f [{files}]\n{PHASES}artifacts: "
        f"{{files: [a], secondary-artifacts: {{{phases}}}}}"
    )
    assert error.endswith("with its aliases it holds more than 20000 values")


def test_what_is_too_large_or_too_deep_is_refused() -> None:
    assert errors("#" * 1_000_001) == ("it is larger than 1000000 bytes",)
    assert errors("[" * 5_000) == ("it is nested too deeply",)


@given(st.text(alphabet="version:0.2 \n-phasebuildcomand[]{}&*!|>'\"#<", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BuildspecError):
        read(text.encode())
