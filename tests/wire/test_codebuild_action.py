"""Actions of CodeBuild: builds of projects in pipelines, with real git and real shells."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookline.runners import bubblewrap
from hookline.store.action_logs import open_log
from support.server import Server, until
from support.tenant import Repository, Tenant, action_type, commands, declaration, source

ENVIRONMENT = {
    "type": "LINUX_CONTAINER",
    "image": "aws/codebuild/standard:7.0",
    "computeType": "BUILD_GENERAL1_SMALL",
}


class Builder:
    """A tenant with projects, and pipelines that build them."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.client = tenant.server.client(tenant.region, service="codebuild")

    def project(self, name: str = "app", buildspec: str = "", **more: Any) -> None:
        project_source = {"type": "CODEPIPELINE"} | ({"buildspec": buildspec} if buildspec else {})
        self.client.create_project(
            **{
                "name": name,
                "source": project_source,
                "artifacts": {"type": "CODEPIPELINE"},
                "environment": ENVIRONMENT,
                "serviceRole": "arn:aws:iam::000000000000:role/build",
                **more,
            }
        )

    def run(self, *stages: Any, status: str = "Succeeded", **files: str) -> dict[str, Any]:
        """Run a pipeline of these stages on `files`; its actions at its end."""
        name, execution_id = self.start(*stages, **files)
        execution = self.tenant.finished(name, execution_id)
        found = self.tenant.actions(name, execution_id)
        assert execution["status"] == status, [item["output"] for item in found.values()]
        return found

    def start(self, *stages: Any, runner: str = "", **files: str) -> tuple[str, str]:
        if files:
            self.tenant.repository.commit("Files", **files)
        name = self.tenant.pipeline(*stages)
        if runner:
            arn = f"arn:aws:codepipeline:{self.tenant.region}:000000000000:{name}"
            tags = [{"key": "hookline:runner", "value": runner}]
            self.tenant.client.tag_resource(resourceArn=arn, tags=tags)
        started = self.tenant.client.start_pipeline_execution(name=name)
        return name, started["pipelineExecutionId"]

    def build(self, action: Any) -> Any:
        """The build of an action, which ListActionExecutions has told of."""
        build_id = action["output"]["executionResult"]["externalExecutionId"]
        [build] = self.client.batch_get_builds(ids=[build_id])["builds"]
        return build

    def log(self, action: Any) -> str:
        pieces = open_log(self.tenant.server.database, action["actionExecutionId"], 0)
        return b"".join(pieces).decode()


@pytest.fixture
def builder(tenant: Tenant) -> Builder:
    return Builder(tenant)


def building(name: str = "Build", project: str = "app", **more: Any) -> dict[str, Any]:
    """An action that builds a project from the artifact `Code`."""
    configuration = {"ProjectName": project, **more.pop("configuration", {})}
    return {
        "name": name,
        "actionTypeId": action_type(more.pop("category", "Build"), "AWS", "CodeBuild"),
        "configuration": configuration,
        "inputArtifacts": [{"name": "Code"}],
        **more,
    }


def variables(**values: str) -> str:
    return json.dumps([{"name": name, "value": value} for name, value in values.items()])


def phases(build: Any) -> list[tuple[str, str | None]]:
    return [(phase["phaseType"], phase.get("phaseStatus")) for phase in build["phases"]]


def error(action: Any) -> Any:
    return action["output"]["executionResult"]["errorDetails"]


PACKAGE = {
    "buildspec.yml": f"""\
version: 0.2
env:
  exported-variables: [VERSION]
  variables:
    MODE: of the buildspec
phases:
  pre_build:
    commands:
      - cd tests
      - export VERSION=1.$CODEBUILD_BUILD_NUMBER
  build:
    commands:
      - {sys.executable} -m pytest -q -p no:cacheprovider --junitxml=$CODEBUILD_SRC_DIR/unit.xml .
      - mkdir -p ../dist; echo "app $VERSION $MODE $WHO" > ../dist/app.txt
reports:
  unit:
    files: [unit.xml]
artifacts:
  files: ['**/*']
  base-directory: dist
""",
}
TEST_APP = "def test_one():\n    assert True\n\n\ndef test_two():\n    assert True\n"


def test_a_python_package_is_built_and_what_it_leaves_goes_on(builder: Builder) -> None:
    repository = builder.tenant.repository
    (repository.folder / "tests").mkdir()
    (repository.folder / "tests" / "test_app.py").write_text(TEST_APP)
    project_variables = [{"name": "MODE", "value": "project"}, {"name": "WHO", "value": "project"}]
    builder.project(environment={**ENVIRONMENT, "environmentVariables": project_variables})
    build = building(
        outputArtifacts=[{"name": "Dist"}],
        namespace="Made",
        configuration={"EnvironmentVariables": variables(WHO="action #{Src.CommitMessage}")},
    )
    ship = commands(
        "Ship",
        'test "$VERSION" = 1.1',
        'test "$(cat app.txt)" = "app 1.1 project action A \\"quoted\\" message"',
        inputArtifacts=[{"name": "Dist"}],
        environmentVariables=[{"name": "VERSION", "value": "#{Made.VERSION}"}],
    )
    commit = repository.commit('A "quoted" message', **PACKAGE)
    tenant = builder.tenant
    name = tenant.pipeline(
        ("Build", build),
        ("Ship", ship),
        source_action={**tenant.source(), "namespace": "Src"},
    )
    started = tenant.client.start_pipeline_execution(name=name)["pipelineExecutionId"]
    assert tenant.finished(name, started)["status"] == "Succeeded", tenant.actions(name, started)
    action = tenant.actions(name, started)["Build"]
    found = builder.build(action)
    assert found["id"].startswith("app:")
    assert found["buildStatus"] == "SUCCEEDED"
    assert found["initiator"] == f"codepipeline/{name}"
    assert found["resolvedSourceVersion"] == commit
    assert found["exportedEnvironmentVariables"] == [{"name": "VERSION", "value": "1.1"}]
    assert found["buildNumber"] == 1
    assert found["currentPhase"] == "COMPLETED"
    assert phases(found) == [
        (phase, "SUCCEEDED")
        for phase in (
            *("SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD"),
            *("BUILD", "POST_BUILD", "UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED"),
        )
    ]
    assert found["artifacts"]["location"] in str(action["output"]["outputArtifacts"])
    assert found["logs"]["deepLink"] == action["output"]["executionResult"]["externalExecutionUrl"]
    assert builder.client.list_builds_for_project(projectName="app")["ids"] == [found["id"]]
    log = builder.log(action)
    assert "Phase complete: BUILD State: SUCCEEDED" in log
    assert "Report unit: 2 tests, 0 failed" in log
    assert "Warning: the image aws/codebuild/standard:7.0 is not used" in log
    assert action["output"]["outputVariables"] == {"VERSION": "1.1"}


def test_a_value_stays_within_its_variable(builder: Builder) -> None:
    builder.project(buildspec="version: 0.2\nphases: {build: {commands: ['echo \"<$A> <$B>\"']}}\n")
    added = '", "type": "PLAINTEXT"}, {"name": "B", "value": "added'
    builder.tenant.repository.commit(added)
    build = building(configuration={"EnvironmentVariables": variables(A="#{Src.CommitMessage}")})
    named = {**builder.tenant.source(), "namespace": "Src"}
    name = builder.tenant.pipeline(("Build", build), source_action=named)
    started = builder.tenant.client.start_pipeline_execution(name=name)["pipelineExecutionId"]
    assert builder.tenant.finished(name, started)["status"] == "Succeeded"
    assert f"\n<{added}> <>\n" in builder.log(builder.tenant.actions(name, started)["Build"])


def test_what_stands_in_for_a_secret_is_masked(builder: Builder) -> None:
    plain = [{"name": "LOGIN", "value": "hunter-two"}]
    builder.project(
        buildspec="version: 0.2\n"
        "env: {parameter-store: {LOGIN: /login}, exported-variables: [TOLD]}\n"
        "phases: {build: {commands: ['export TOLD=$LOGIN; echo is $LOGIN; false $LOGIN']}}\n",
        environment={**ENVIRONMENT, "environmentVariables": plain},
    )
    action = builder.run(("Build", building()), status="Failed")["Build"]
    assert "\nis ****\n" in builder.log(action)
    build = builder.build(action)
    assert build["exportedEnvironmentVariables"] == [{"name": "TOLD", "value": "****"}]
    assert "hunter-two" not in str([action, build["phases"], builder.log(action)])


INLINE = """\
version: 0.2
phases:
  build:
    commands:
      - cat "$CODEBUILD_SRC_DIR/primary" "$CODEBUILD_SRC_DIR_Code/other" > both
      - 'echo "$CODEBUILD_BUILD_ID $CODEBUILD_INITIATOR $CODEBUILD_BUILD_IMAGE" > told'
      - test "$CODEBUILD_BUILD_NUMBER" = 1
artifacts:
  secondary-artifacts:
    Both:
      files: [both]
    Told:
      files: [told]
    Nobodys:
      files: [told]
"""


def test_two_sources_an_inline_buildspec_and_two_outputs(builder: Builder, github: Path) -> None:
    tenant = builder.tenant
    second = Repository(github, "acme", f"second-{tenant.region}")
    second.commit("The second", primary="primary ")
    tenant.repository.commit("The first", other="other")
    builder.project(buildspec=INLINE)
    build = building(
        category="Test",
        configuration={"PrimarySource": "Second"},
        inputArtifacts=[{"name": "Code"}, {"name": "Second"}],
        outputArtifacts=[{"name": "Both"}, {"name": "Told"}],
    )
    check = commands(
        "Check",
        'test "$(cat both)" = "primary other"',
        '[[ "$(cat $CODEBUILD_SRC_DIR_Told/told)" == app:*" codepipeline/"*standard:7.0 ]]',
        inputArtifacts=[{"name": "Both"}, {"name": "Told"}],
    )
    more = {
        **source(second.owner, second.name),
        "name": "More",
        "outputArtifacts": [{"name": "Second"}],
    }
    name = "two-sources"
    declared = declaration(name, tenant.source(), ("Build", build), ("Check", check))
    declared["stages"][0]["actions"].append(more)
    tenant.client.create_pipeline(pipeline=declared)
    started = tenant.client.start_pipeline_execution(name=name)["pipelineExecutionId"]
    assert tenant.finished(name, started)["status"] == "Succeeded", tenant.actions(name, started)
    found = builder.build(tenant.actions(name, started)["Build"])
    assert [item["artifactIdentifier"] for item in found["secondaryArtifacts"]] == ["Both", "Told"]
    assert found["source"]["buildspec"] == INLINE


FAILING = """\
version: 0.2
phases:
  build:
    commands:
      - exit 3
      - echo never
    finally:
      - echo finally ran
  post_build:
    commands:
      - echo succeeding is $CODEBUILD_BUILD_SUCCEEDING
"""


def test_a_phase_that_fails_fails_the_action(builder: Builder) -> None:
    builder.project(buildspec="ci/build.yaml")
    folder = builder.tenant.repository.folder / "ci"
    folder.mkdir()
    (folder / "build.yaml").write_text(FAILING)
    action = builder.run(("Build", building()), status="Failed", file="x")["Build"]
    assert error(action) == {
        "code": "JobFailed",
        "message": "Build terminated with state: FAILED. Phase: BUILD, Code: "
        "COMMAND_EXECUTION_ERROR, Message: Error while executing command: exit 3. "
        "Reason: exit status 3",
    }
    found = builder.build(action)
    assert (found["buildStatus"], found["buildComplete"]) == ("FAILED", True)
    assert ("BUILD", "FAILED") in phases(found)
    [failed] = [phase for phase in found["phases"] if phase.get("phaseStatus") == "FAILED"]
    assert failed["contexts"][0]["statusCode"] == "COMMAND_EXECUTION_ERROR"
    log = builder.log(action)
    assert "finally ran" in log
    assert "succeeding is 0" in log
    assert "\nnever" not in log


def test_a_build_takes_no_longer_than_it_may(
    make_server: Callable[..., Server], github: Path
) -> None:
    server = make_server(action_timeout="2").start()
    builder = Builder(Tenant(server, github))
    sleeping = "version: 0.2\nphases: {build: {commands: [sleep 600]}}\n"
    builder.project(buildspec=sleeping)
    action = builder.run(("Build", building()), status="Failed")["Build"]
    assert "state: TIMED_OUT. Phase: BUILD, Code: BUILD_TIMED_OUT" in error(action)["message"]
    assert builder.build(action)["buildStatus"] == "TIMED_OUT"
    # What a project says counts, not the setting.
    ends = "version: 0.2\nphases: {build: {commands: [sleep 3]}}\n"
    builder.project("own", buildspec=ends, timeoutInMinutes=5)
    assert builder.build(builder.run(("Build", building(project="own")))["Build"])["buildComplete"]


PLAIN = "version: 0.2\nphases: {build: {commands: ['true']}}\n"


@pytest.mark.parametrize(
    ("project", "configuration", "words"),
    [
        ({"name": "other"}, {}, "There is no build project app in account"),
        (
            {"environment": {**ENVIRONMENT, "privilegedMode": True}},
            {},
            "wants privileged mode",
        ),
        (
            {"environment": {**ENVIRONMENT, "image": "python:3"}},
            {},
            "the image python:3, which",
        ),
        ({"environment": {**ENVIRONMENT, "type": "WINDOWS_CONTAINER"}}, {}, "builds run on Linux"),
        ({}, {"BatchEnabled": "true"}, "BatchEnabled is true"),
        ({}, {"CombineArtifacts": "TRUE"}, "CombineArtifacts is true"),
        ({}, {"PrimarySource": "None"}, "PrimarySource is 'None'"),
        ({}, {"EnvironmentVariables": "A=1"}, "EnvironmentVariables must be a JSON list"),
        ({}, {"EnvironmentVariables": '[{"name": "A"}]'}, "missing required field `value`"),
        (
            {},
            {"EnvironmentVariables": '[{"name": "A", "value": "/a", "type": "PARAMETER_STORE"}]'},
            "A is of the type PARAMETER_STORE",
        ),
        ({}, {"EnvironmentVariables": '[{"name": "A=B", "value": ""}]'}, "'A=B' can't be one"),
        ({"buildspec": "../etc"}, {}, "The buildspec ../etc is not in the source"),
        ({"buildspec": "none.yml"}, {}, "YAML file does not exist: none.yml"),
        ({"buildspec": "version: 0.2\nphase: {}\n"}, {}, "YAML_FILE_ERROR"),
    ],
)
def test_what_can_t_be_built_says_what_to_change(
    builder: Builder, project: dict[str, Any], configuration: dict[str, str], words: str
) -> None:
    builder.project(**{"buildspec": PLAIN, **project})
    action = building(configuration=configuration)
    found = builder.run(("Build", action), status="Failed")["Build"]
    assert words in error(found)["message"]
    builds = builder.client.list_builds()["ids"]
    for build in builder.client.batch_get_builds(ids=builds)["builds"] if builds else ():
        assert (build["buildStatus"], build["buildComplete"]) == ("FAILED", True)


def test_x9_what_can_t_be_built_is_a_warning_in_the_log(builder: Builder) -> None:
    batch = building(name="Batch", configuration={"BatchEnabled": "true"})
    builder.tenant.pipeline(("Build", building(), batch))
    lines = [
        line
        for line in builder.tenant.server.output.splitlines()
        if f":{builder.tenant.region}:" in line and "will fail" in line
    ]
    assert len(lines) == 1
    assert "BatchEnabled is true" in lines[0]


def test_a_link_out_of_the_source_is_no_buildspec(builder: Builder) -> None:
    (builder.tenant.repository.folder / "buildspec.yml").symlink_to("/etc/hostname")
    builder.project()
    action = builder.run(("Build", building()), status="Failed", file="y")["Build"]
    assert "YAML_FILE_ERROR" in error(action)["message"]


CACHING = """\
version: 0.2
phases:
  build:
    commands:
      - 'echo "kept: $(cat ~/.cache/tool/file; cat deps/inner/file; cat listed)"'
      - mkdir -p ~/.cache/tool deps/inner
      - echo of-home > ~/.cache/tool/file
      - echo of-source | tee deps/inner/file listed out
cache:
  paths:
    - /root/.cache/**/*
    - deps
    - listed
    - ../outside
    - /var/lib/none
"""


def test_what_a_build_caches_is_there_in_the_next(builder: Builder) -> None:
    local = {"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE", "LOCAL_SOURCE_CACHE"]}
    builder.project(buildspec=CACHING, cache=local)
    # What is in the source, in a folder of the cache, too, is not replaced.
    (builder.tenant.repository.folder / "deps").mkdir()
    (builder.tenant.repository.folder / "deps" / "own").touch()
    files = {"listed": "of-commit", "deps/own": "x"}
    first = builder.log(builder.run(("Build", building()), **files)["Build"])
    second = builder.log(builder.run(("Build", building()))["Build"])
    assert "There is no cache of this project on this node yet" in first
    assert "\nkept: of-commit\n" in first
    assert "Unable to cache ../outside" in first
    assert "Unable to cache /var/lib/none" in first
    assert "Cached 4 files" in first
    assert "the project's cache mode LOCAL_SOURCE_CACHE has no effect" in first
    assert "\nkept: of-home\nof-source\nof-commit\n" in second
    builder.client.update_project(name="app", cache={"type": "NO_CACHE"})
    third = builder.log(builder.run(("Build", building()))["Build"])
    assert "\nkept: of-commit\n" in third


@pytest.mark.skipif(bubblewrap.refusal() is not None, reason="this machine makes no sandboxes")
def test_a_build_in_a_sandbox_has_its_source_and_its_cache(builder: Builder) -> None:
    builder.project(buildspec=CACHING, cache={"type": "S3", "location": "bucket/cache"})
    for expected in ("kept: ", "kept: of-home\nof-source\nof-source\n"):
        files = {} if "home" in expected else {"file": "x"}
        build = building(outputArtifacts=[{"name": "Out"}])
        found = builder.run(("Build", build), runner="bubblewrap", **files)["Build"]
        assert f"\n{expected}" in builder.log(found)


def hanging(file: Path) -> str:
    return (
        "version: 0.2\nphases: {build: {commands: "
        f"['echo began >> {file}', 'while [ ! -e {file}.go ]; do sleep 0.1; done']}}}}\n"
    )


def test_a_stop_that_abandons_stops_the_build(builder: Builder, tmp_path: Path) -> None:
    builder.project(buildspec=hanging(tmp_path / "file"))
    name, execution_id = builder.start(("Build", building()))
    assert until((tmp_path / "file").exists)

    def current() -> Any:
        return builder.build(builder.tenant.actions(name, execution_id)["Build"])

    assert until(lambda: current()["currentPhase"] == "BUILD")
    running = current()
    assert (running["buildStatus"], running["buildComplete"]) == ("IN_PROGRESS", False)
    builder.tenant.client.stop_pipeline_execution(
        pipelineName=name, pipelineExecutionId=execution_id, abandon=True
    )
    assert until(lambda: current()["buildComplete"])
    assert current()["buildStatus"] == "STOPPED"
    assert phases(current())[-1] == ("BUILD", "STOPPED")


def test_stop_build_fails_the_action_and_ends_its_commands(
    builder: Builder, tmp_path: Path
) -> None:
    builder.project(buildspec=hanging(tmp_path / "file"))
    name, execution_id = builder.start(("Build", building()))
    assert until((tmp_path / "file").exists)
    action = builder.tenant.actions(name, execution_id)["Build"]
    workspace = builder.tenant.server.data / "work" / "workspaces" / action["actionExecutionId"]
    assert (workspace / "build").exists()
    [build_id] = builder.client.list_builds()["ids"]
    stopped = builder.client.stop_build(id=build_id)["build"]
    assert (stopped["buildStatus"], stopped["buildComplete"]) == ("STOPPED", True)
    assert builder.tenant.finished(name, execution_id)["status"] == "Failed"
    action = builder.tenant.actions(name, execution_id)["Build"]
    assert error(action)["message"] == "Build terminated with state: STOPPED"
    assert until(lambda: not (workspace / "build").exists())
    assert builder.build(action) == stopped
    assert builder.client.stop_build(id=build_id)["build"] == stopped
    with pytest.raises(builder.client.exceptions.ResourceNotFoundException):
        builder.client.stop_build(id="app:none")


def test_a_build_whose_engine_is_killed_begins_again(
    make_server: Callable[..., Server], database_url: str, github: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    server = make_server(database_url=database_url).start()
    builder = Builder(Tenant(server, github))
    builder.project(buildspec=hanging(file))
    name, execution_id = builder.start(("Build", building()))
    assert until(file.exists)
    [engine] = server.children("engine")
    os.kill(engine.pid, signal.SIGKILL)
    assert until(lambda: file.read_text() == "began\n" * 2)
    (tmp_path / "file.go").touch()
    assert builder.tenant.finished(name, execution_id)["status"] == "Succeeded"
    time.sleep(1)
    assert file.read_text() == "began\n" * 2
    [build_id] = builder.client.list_builds_for_project(projectName="app")["ids"]
    build = builder.build(builder.tenant.actions(name, execution_id)["Build"])
    assert (build["id"], build["buildNumber"], build["buildStatus"]) == (build_id, 1, "SUCCEEDED")
    assert len(build["phases"]) == 11
