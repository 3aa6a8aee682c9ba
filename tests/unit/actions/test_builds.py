"""Builds through real shells: what a buildspec's author sees."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from hookline.actions.build_reports import Counts
from hookline.actions.builds import Build, BuildResult, Download, run_build
from hookline.actions.processes import Limits
from hookline.actions.provider import ActionSettings, Interrupted
from hookline.builds.phases import BuildStatus
from hookline.model import new_id
from hookline.runners.bubblewrap import refusal
from support import containers as programs

HEAD = "version: 0.2\n"
SHELLS = pytest.mark.parametrize("shell", ["sh", "bash"])


@dataclass
class Output:
    """A log in memory."""

    data: bytes = b""
    on_write: Callable[[bytes], object] = lambda _: None

    @property
    def ending(self) -> bytes:
        return b"" if self.data.endswith(b"\n") or not self.data else b"\n"

    def line(self, text: str) -> None:
        self.write(self.ending + text.encode() + b"\n")

    def write(self, data: bytes) -> None:
        self.data += data
        self.on_write(data)

    @property
    def lines(self) -> list[str]:
        """Without the times."""
        lines = self.data.decode().splitlines()
        return [" ".join(x.split()[3:]) if x.startswith("[Container]") else x for x in lines]

    @property
    def own(self) -> list[str]:
        """What the commands have printed."""
        return [x for x in self.data.decode().splitlines() if not x.startswith("[Container]")]


@dataclass(frozen=True)
class Owner:
    folder: Path
    settings: ActionSettings = field(default_factory=ActionSettings)
    action_execution_id: str = field(default_factory=new_id)
    runner: str | None = None
    image: str | None = None


@dataclass
class Yard:
    """Runs builds in one temporary folder."""

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    log: Output = field(default_factory=Output)
    stop: threading.Event = field(default_factory=threading.Event)
    downloads: int = 0
    settings: ActionSettings = field(default_factory=ActionSettings)

    def build(
        self, buildspec: str, *, limit: float = 60.0, runner: str | None = None, **more: Any
    ) -> BuildResult:
        owner = Owner(self.folder, self.settings, runner=runner)

        def download(target: Path) -> Download:
            self.downloads += 1
            for path, text in self.files.items():
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                (target / path).write_text(text)
            return Download(target, dedent(buildspec).encode(), "buildspec.yml")

        build = Build(owner, self.folder, download, **more)
        return run_build(build, self.log, Limits.of(limit, self.stop))

    def run(self, *commands: str, head: str = HEAD, **more: Any) -> BuildResult:
        """A build of one phase."""
        text = "".join(f"      - {quoted(command)}\n" for command in commands)
        return self.build(f"{head}phases:\n  build:\n    commands:\n{text}", **more)


def quoted(text: str) -> str:
    """A text as YAML has it, whatever is in it."""
    return json.dumps(text)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def contexts(result: BuildResult) -> dict[str, str]:
    return {
        str(phase.type): f"{phase.context.status_code}: {phase.context.message}"
        for phase in result.phases
        if phase.context
    }


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shell_head(shell: str, more: str = "") -> str:
    return f"{HEAD}env:\n  shell: {shell}\n{more}"


@SHELLS
def test_folder_variables_and_functions_last_through_all_phases(yard: Yard, shell: str) -> None:
    result = yard.build(
        f"""\
        version: 0.2
        env: {{shell: {shell}}}
        phases:
          install: {{commands: [mkdir deep, cd deep, 'export A=1', B=2, 'f() {{ echo f $B; }}']}}
          pre_build: {{commands: ['basename "$PWD"']}}
          build: {{commands: ['echo $A $B', f, 'sh -c "echo $A $B"']}}
        """
    )
    assert result.status is BuildStatus.SUCCEEDED
    assert yard.log.own == ["deep", "1 2", "f 2", "1 2"]


@SHELLS
@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("exit 7", 7),
        ("set -e; false; echo not", 1),
        ("no_such_command_here", 127),
        ("(exit 3)", 3),
        ("kill -9 $$", 137),
        ("exec sh -c 'exit 4'", 4),
    ],
)
def test_however_a_command_ends_the_next_phase_runs(
    yard: Yard, shell: str, command: str, status: int
) -> None:
    result = yard.build(
        f"""\
        version: 0.2
        env: {{shell: {shell}, variables: {{GIVEN: given}}}}
        phases:
          build: {{commands: [{quoted(command)}, echo not], finally: ['echo finally $GIVEN']}}
          post_build: {{commands: ['echo post $CODEBUILD_BUILD_SUCCEEDING', exit 0, echo last]}}
        """
    )
    assert result.status is BuildStatus.FAILED
    message = f"Error while executing command: {command}. Reason: exit status {status}"
    assert contexts(result) == {"BUILD": f"COMMAND_EXECUTION_ERROR: {message}"}
    assert [x for x in yard.log.own if "no_such" not in x] == ["finally given", "post 0", "last"]


@SHELLS
def test_after_exit_the_folder_and_the_variables_are_kept(yard: Yard, shell: str) -> None:
    yard.run(
        "mkdir d", "cd d; A='a  b'; exit 0", 'basename "$PWD"; echo "$A"', head=shell_head(shell)
    )
    assert yard.log.own == ["d", "a  b"]


@SHELLS
def test_a_syntax_error_fails_its_command_only(yard: Yard, shell: str) -> None:
    result = yard.build(
        f"""\
        version: 0.2
        env: {{shell: {shell}}}
        phases:
          build: {{commands: ['if true; then echo a']}}
          post_build: {{commands: [echo post]}}
        """
    )
    assert [str(p.type) for p in result.phases if p.context] == ["BUILD"]
    assert yard.log.own[-1] == "post"


def test_output_may_go_elsewhere_for_good(yard: Yard) -> None:
    head = f"{HEAD}artifacts: {{files: [all.log]}}\n"
    result = yard.run("exec > all.log 2>&1", "echo one", "exit 0", "echo two", head=head)
    assert result.status is BuildStatus.SUCCEEDED
    assert yard.log.own == []
    assert files(result.artifacts[0].folder) == {"all.log": "one\ntwo\n"}


@SHELLS
def test_what_a_command_traces_is_its_own(yard: Yard, shell: str) -> None:
    yard.run("set -x; echo one", "echo two", head=shell_head(shell))
    assert [line.lstrip("+") for line in yard.log.own] == [" echo one", "one", "two"]


@SHELLS
def test_a_build_runs_in_a_sandbox(yard: Yard, shell: str) -> None:
    if reason := refusal():
        pytest.skip(reason)
    (yard.folder / "outside").touch()
    result = yard.build(
        f"""\
        version: 0.2
        env: {{shell: {shell}, exported-variables: [A]}}
        phases:
          build: {{commands: ['A=1; exit 3'], finally: ['exec sh -c "exit 0"']}}
          post_build: {{commands: ['echo x > x', 'ls {yard.folder}']}}
        artifacts: {{files: [x]}}
        """,
        runner="bubblewrap",
    )
    assert [str(phase.type) for phase in result.phases if phase.context] == ["BUILD"]
    assert yard.log.own == ["build"]
    assert files(result.artifacts[0].folder) == {"x": "x\n"}


@pytest.mark.parametrize("program", ["podman", "docker"])
def test_a_build_runs_in_a_container(yard: Yard, program: str) -> None:
    with getattr(programs, program)() as containers:
        yard.settings = ActionSettings(containers=containers)
        result = yard.build(
            """\
            version: 0.2
            env: {shell: bash, exported-variables: [A]}
            phases:
              build: {commands: ['A=1; readlink /bin/ls; cd /', 'pwd', 'exec sh -c "exit 3"']}
              post_build: {commands: ['echo x > "$CODEBUILD_SRC_DIR/x"']}
            artifacts: {files: [x]}
            """,
            runner="container",
        )
    assert [str(phase.type) for phase in result.phases if phase.context] == ["BUILD"]
    assert yard.log.own[-1] == "/"
    assert "busybox" in yard.log.own[0]
    assert files(result.artifacts[0].folder) == {"x": "x\n"}


def test_what_runs_in_the_background_goes_on(yard: Yard) -> None:
    wait = "while [ ! -e out ]; do sleep 0.01; done; cat out"
    yard.run("mkfifo go; (read x < go; echo $x > out) &", "echo started > go", wait)
    assert yard.log.own == ["started"]


def test_in_version_0_1_each_command_has_its_own_shell(yard: Yard) -> None:
    head = "version: 0.1\nenvironment_variables: {plaintext: {A: a}}\n"
    result = yard.run("mkdir d; cd d; A=b; exit 0", 'basename "$PWD"; echo $A', head=head)
    assert result.status is BuildStatus.SUCCEEDED
    assert yard.log.own == ["src", "a"]


@SHELLS
def test_exported_variables_are_those_of_the_end(yard: Yard, shell: str) -> None:
    head = shell_head(shell, "  variables: {A: first}\n  exported-variables: [A, B, C]\n")
    result = yard.run("A=last", "export B='two\n lines'", head=head)
    assert result.exported == {"A": "last", "B": "two\n lines", "C": ""}


def test_the_values_of_the_build_win_over_the_buildspecs(yard: Yard) -> None:
    head = f"{HEAD}env: {{variables: {{A: spec, B: spec, C: $A}}}}\n"
    yard.run(
        'echo "$A $B $C $CODEBUILD_BUILD_ID"; [ "$PWD" = "$CODEBUILD_SRC_DIR" ] && echo there',
        head=head,
        environment={"B": "given", "CODEBUILD_BUILD_ID": "forged"},
        variables={"CODEBUILD_BUILD_ID": "local:1"},
    )
    assert yard.log.own == ["spec given $A local:1", "there"]


def test_a_value_is_never_code(yard: Yard) -> None:
    value = "$(touch hacked) `touch hacked` '; touch hacked; \" \\ \n x"
    yard.run('printf %s "$A"', "ls", environment={"A": value})
    assert yard.log.own == value.splitlines()


def test_secrets_that_are_not_given_are_refused(yard: Yard) -> None:
    head = f"{HEAD}env: {{parameter-store: {{A: /a}}, secrets-manager: {{B: b}}}}\n"
    result = yard.run("echo $A $B", head=head, environment={"A": "given"})
    assert contexts(result)["DOWNLOAD_SOURCE"].startswith(
        "CLIENT_ERROR: These variables are in AWS, which this build can't reach: B"
        " (env/secrets-manager). Give them"
    )
    given: Mapping[str, str] = {"A": "given", "B": "too"}
    assert yard.run("echo $A $B", head=head, environment=given).status is BuildStatus.SUCCEEDED
    assert yard.log.own == ["given too"]


def test_another_user_is_refused(yard: Yard) -> None:
    result = yard.run("echo not", head=f"{HEAD}run-as: somebody-else\n")
    assert (
        "CLIENT_ERROR: run-as: somebody-else: commands run as"
        in contexts(result)["DOWNLOAD_SOURCE"]
    )
    assert yard.log.own == []


def test_a_buildspec_with_errors_runs_nothing(yard: Yard) -> None:
    result = yard.run("echo not", head="version: 0.2\nenv: {shell: fish}\n")
    assert [str(phase.type) for phase in result.phases] == [
        "DOWNLOAD_SOURCE",
        "FINALIZING",
        "COMPLETED",
    ]
    assert result.message.startswith("line 2: env/shell must be one of sh,")
    assert yard.log.own == []


def test_the_phases_and_the_log_of_a_failed_build(yard: Yard) -> None:
    result = yard.build(
        """\
        version: 0.2
        phases:
          install: {commands: [echo one]}
          build: {commands: ['false']}
        """
    )
    assert [f"{phase.type} {phase.status}" for phase in result.phases] == [
        "DOWNLOAD_SOURCE SUCCEEDED",
        "INSTALL SUCCEEDED",
        "PRE_BUILD SUCCEEDED",
        "BUILD FAILED",
        "POST_BUILD SUCCEEDED",
        "UPLOAD_ARTIFACTS SUCCEEDED",
        "FINALIZING SUCCEEDED",
        "COMPLETED SUCCEEDED",
    ]
    assert all(phase.ended and phase.ended >= phase.started for phase in result.phases)
    log = yard.log.lines
    assert log[log.index("Entering phase INSTALL") :][:4] == [
        "Entering phase INSTALL",
        "Running command echo one",
        "one",
        "Phase complete: INSTALL State: SUCCEEDED",
    ]


def test_a_build_that_is_retried_begins_with_its_source(yard: Yard) -> None:
    yard.files = {"a.txt": "source\n"}
    result = yard.build(
        f"""\
        version: 0.2
        phases:
          build:
            on-failure: RETRY-5-no luck
            commands:
              - cat a.txt; echo changed > a.txt
              - echo x >> {yard.folder}/tries; echo no luck; [ $(wc -l < {yard.folder}/tries) = 3 ]
        """
    )
    assert result.status is BuildStatus.SUCCEEDED
    assert yard.downloads == 3
    assert yard.log.own == ["source", "no luck"] * 3


def test_a_build_that_takes_too_long_is_ended(yard: Yard) -> None:
    result = yard.build(
        """\
        version: 0.2
        phases:
          build: {commands: [sleep 600], finally: [echo not]}
          post_build: {commands: [echo not]}
        """,
        limit=0.5,
    )
    assert result.status is BuildStatus.TIMED_OUT
    assert contexts(result) == {"BUILD": "BUILD_TIMED_OUT: Build has timed out. "}
    assert yard.log.own == []


def test_a_build_that_is_stopped_ends(yard: Yard) -> None:
    yard.log.on_write = lambda data: yard.stop.set() if data == b"begun\n" else None
    with pytest.raises(Interrupted):
        yard.run("echo begun", "sleep 600")


TREE = {
    "build-1/a.txt": "1",
    "build-2/b.txt": "2",
    "build-2/sub/c.txt": "3",
    "build-2/sub/d.md": "4",
    "other/.hidden": "5",
}


@pytest.mark.parametrize(
    ("artifacts", "kept"),
    [
        ("files: ['**/*']", {*TREE}),
        ("files: [build-1/a.txt, missing]", {"build-1/a.txt"}),
        ("files: [build-1]", {"build-1/a.txt"}),
        ("files: ['*/c.txt'], base-directory: build-2", {"sub/c.txt"}),
        ("files: ['**/*'], base-directory: 'build-*'", {"a.txt", "b.txt", "sub/c.txt", "sub/d.md"}),
        ("files: ['**/*'], base-directory: '*/sub'", {"c.txt", "d.md"}),
        (
            "files: ['**/*'], base-directory: 'build*', discard-paths: yes",
            {"a.txt", "b.txt", "c.txt", "d.md"},
        ),
        (
            "files: ['**/*'], exclude-paths: ['**/*.md', '**/.*', build-1]",
            {"build-2/b.txt", "build-2/sub/c.txt"},
        ),
        ("files: ['$WHAT.txt'], base-directory: '${CODEBUILD_SRC_DIR}/build-2'", {"b.txt"}),
    ],
)
def test_which_files_an_artifact_has(yard: Yard, artifacts: str, kept: set[str]) -> None:
    yard.files = TREE
    result = yard.run("WHAT=b", head=f"{HEAD}artifacts: {{{artifacts}}}\n")
    [artifact] = result.artifacts
    assert {*files(artifact.folder)} == kept


def test_secondary_artifacts_and_names_that_the_shell_expands(yard: Yard) -> None:
    yard.files = TREE
    result = yard.build(
        """\
        version: 0.2
        phases: {build: {commands: [TAG=v1]}}
        artifacts:
          files: ['build-1/**/*']
          name: app-$TAG-"$(echo x)"
          secondary-artifacts:
            docs: {files: ['**/*.md'], discard-paths: yes, name: docs}
        """
    )
    assert [(a.identifier, a.name, {*files(a.folder)}) for a in result.artifacts] == [
        (None, 'app-v1-"x"', {"build-1/a.txt"}),
        ("docs", "docs", {"d.md"}),
    ]


def test_a_base_directory_may_be_in_any_folder_of_the_build(yard: Yard) -> None:
    result = yard.build(
        """\
        version: 0.2
        phases:
          build: {commands: ['echo 1 > $TMPDIR/one', 'mkdir $HOME/d', 'echo 2 > ~/d/two']}
        artifacts:
          secondary-artifacts:
            one: {files: [one], base-directory: $TMPDIR}
            two: {files: ['**/*'], base-directory: '${HOME}/d'}
        """
    )
    assert [(a.identifier, {*files(a.folder)}) for a in result.artifacts] == [
        ("one", {"one"}),
        ("two", {"two"}),
    ]


def test_no_variable_makes_another_folder_one_of_the_build(yard: Yard) -> None:
    head = f"{HEAD}artifacts: {{files: ['**/*'], base-directory: $HOME}}\n"
    result = yard.run("export HOME=/etc", head=head)
    assert result.artifacts == ()
    assert contexts(result)["UPLOAD_ARTIFACTS"].startswith('CLIENT_ERROR: The pattern "/etc" is')


@pytest.mark.parametrize(
    ("artifacts", "message"),
    [
        ("files: [nothing]", "no matching artifact paths found"),
        ("files: ['$UP/x']", 'The pattern "../x" is not a path inside the workspace'),
        ("files: [/etc/passwd]", 'The pattern "/etc/passwd" is not a path inside the workspace'),
        ("files: [a], base-directory: /etc", 'The pattern "/etc" is not a path inside the'),
    ],
)
def test_artifacts_that_can_not_be_taken_fail_the_build(
    yard: Yard, artifacts: str, message: str
) -> None:
    result = yard.run("UP=..", head=f"{HEAD}artifacts: {{{artifacts}}}\n")
    assert result.status is BuildStatus.FAILED
    assert contexts(result)["UPLOAD_ARTIFACTS"].startswith(f"CLIENT_ERROR: {message}")


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "followed"])
def test_links_never_lead_out_of_an_artifact(yard: Yard, kept: bool) -> None:  # noqa: FBT001 - a column of the table
    secret = yard.folder / "secret"
    secret.write_text("secret")
    head = f"{HEAD}artifacts: {{files: ['**/*'], enable-symlinks: {'yes' if kept else 'no'}}}\n"
    result = yard.run(
        "echo x > x", "ln -s x inside; mkdir d", f"ln -s {secret} d/outside", head=head
    )
    [artifact] = result.artifacts
    assert files(artifact.folder) == {"x": "x\n", "inside": "x\n"}
    assert (artifact.folder / "inside").is_symlink() is kept
    assert "d/outside is left out: it is no file in the source folder" in yard.log.lines


JUNIT = """\
<?xml version="1.0"?>
<testsuites><testsuite name="a">
<testcase name="1"/><testcase name="2"><failure message="no"/></testcase>
<testcase name="3"><error/></testcase><testcase name="4"><skipped/></testcase>
<testsuite name="b"><testcase name="5"/></testsuite>
</testsuite></testsuites>
"""


def test_reports_are_kept_and_junit_xml_is_counted(yard: Yard) -> None:
    yard.files = {
        "out/a.xml": JUNIT,
        "out/deep/b.xml": '<testsuite><testcase name="1"/></testsuite>',
        "out/c.xml": "<html/>",
        "out/d.xml": '<!DOCTYPE a [<!ENTITY b "c">]><testsuite>&b;</testsuite>',
        "cover.xml": "<coverage/>",
    }
    result = yard.build(
        """\
        version: 0.2
        phases: {build: {commands: ['false']}}
        reports:
          unit: {files: ['**/*.xml'], base-directory: out}
          cover: {files: [cover.xml], file-format: CoberturaXml}
          none: {files: [missing.xml]}
        """
    )
    unit, cover, none = result.reports
    assert unit.counts == Counts(succeeded=3, failed=1, errors=1, skipped=1)
    assert unit.files == ("a.xml", "c.xml", "d.xml", "deep/b.xml")
    assert [why.partition(":")[0] for why in unit.unread] == ["c.xml", "d.xml"]
    assert (cover.files, cover.counts) == (("cover.xml",), None)
    assert none.counts == Counts()
    assert "Report unit: 6 tests, 1 failed, 1 errors, 1 skipped" in yard.log.lines
    assert {*files(result.reports_folder / "0")} == {*unit.files}


def test_runtimes_are_compared_with_those_on_path(yard: Yard, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "node").write_text("#!/bin/sh\necho v18.20.4\n")
    (programs / "node").chmod(0o755)
    text = (
        f"{HEAD}phases:\n  install:\n    runtime-versions: {{nodejs: 18.x, golang: 1.22}}\n"
        "  build:\n    commands: ['true']\n"
    )
    yard.build(text, path=str(programs))
    assert f"Runtime nodejs 18.x: {programs}/node is 18.20.4" in yard.log.lines
    assert "Warning: runtime golang 1.22 is not on PATH, and is not installed" in yard.log.lines
    yard.build(text.replace("18.x", "20"), path=str(programs))
    assert (
        f"Warning: runtime nodejs 20 is not installed: {programs}/node is 18.20.4" in yard.log.lines
    )
