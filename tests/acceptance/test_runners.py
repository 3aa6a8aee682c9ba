"""Commands in a sandbox, from the setting or the tag down to what they can read."""

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import containers as programs
from support.command_line import run_program
from support.server import Server
from support.tenant import ROLE, Tenant, action_type, commands

MakeServer = Callable[..., Server]


def reads_the_key(tenant: Tenant, **more: object) -> tuple[str, str]:
    """How an execution ended whose command tries to read the server's master key; its log."""
    key = tenant.server.data / "master.key"
    assert key.exists()
    script = f"cat {key} {tenant.server.data}/hookline.db | head -c 20 | base64; echo over"
    pipeline = tenant.pipeline(("Build", commands("Spy", script)))
    if more:
        arn = f"arn:aws:codepipeline:{tenant.region}:000000000000:{pipeline}"
        tenant.client.tag_resource(resourceArn=arn, **more)
    started = tenant.client.start_pipeline_execution(name=pipeline)
    execution = tenant.finished(pipeline, started["pipelineExecutionId"])
    log = tenant.server.hookline("logs", started["pipelineExecutionId"], "--action", "Spy")
    return execution["status"], log.stdout


def test_x7_in_a_sandbox_the_commands_of_a_pusher_do_not_read_the_master_key(
    make_server: MakeServer, github: Path
) -> None:
    tenant = Tenant(make_server(runner="bubblewrap").start(), github)
    tenant.repository.commit(file="text")

    status, log = reads_the_key(tenant)

    assert status == "Succeeded"
    assert "No such file or directory" in log
    assert "\nover\n" in log


def test_x7_on_the_host_they_do_unless_the_pipeline_asks_for_the_sandbox(
    make_server: MakeServer, github: Path
) -> None:
    tenant = Tenant(make_server().start(), github)
    tenant.repository.commit(file="text")

    _, on_host = reads_the_key(tenant)
    tags = [{"key": "hookline:runner", "value": "bubblewrap"}]
    _, in_sandbox = reads_the_key(tenant, tags=tags)

    assert "No such file" not in on_host
    assert "No such file or directory" in in_sandbox


@pytest.fixture(scope="module", params=["podman", "docker"])
def containers(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The settings of a program that runs containers here."""
    with getattr(programs, request.param)() as found:
        yield {
            "container_program": found.program,
            "container_options": shlex.join(found.options),
            "container_run_options": shlex.join(found.run_options),
            "container_image": found.image,
        }


def test_x7_in_a_container_the_commands_of_a_pusher_do_not_read_the_master_key(
    make_server: MakeServer, github: Path, containers: dict[str, str]
) -> None:
    tenant = Tenant(make_server(runner="container", **containers).start(), github)
    tenant.repository.commit(file="text")

    status, log = reads_the_key(tenant)

    assert status == "Succeeded"
    assert "No such file or directory" in log
    assert "\nover\n" in log


def test_a_pipeline_can_ask_for_a_container_of_an_image(
    make_server: MakeServer, github: Path, containers: dict[str, str]
) -> None:
    image = containers["container_image"]
    tenant = Tenant(make_server(**{**containers, "container_image": ""}).start(), github)
    tenant.repository.commit(file="text")
    tags = [{"key": "hookline:runner", "value": "container"}]

    without, log = reads_the_key(tenant, tags=tags)
    tags.append({"key": "hookline:image", "value": image})
    status, _ = reads_the_key(tenant, tags=tags)

    assert without == "Failed"
    assert "There is no image to run the commands in" in log
    assert status == "Succeeded"


def test_a_build_runs_in_the_image_of_its_project(
    make_server: MakeServer, github: Path, containers: dict[str, str]
) -> None:
    settings = {**containers, "container_image": ""}
    tenant = Tenant(make_server(runner="container", **settings).start(), github)
    spec = (
        "version: 0.2\nphases: {build: {commands: ['cat file; ls /usr/share/doc || echo gone']}}\n"
    )
    tenant.repository.commit(**{"file": "text", "buildspec.yml": spec})
    tenant.server.client(tenant.region, service="codebuild").create_project(
        name="app",
        source={"type": "CODEPIPELINE"},
        artifacts={"type": "CODEPIPELINE"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": containers["container_image"],
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        serviceRole=ROLE,
    )
    build = {
        "name": "Build",
        "actionTypeId": action_type("Build", "AWS", "CodeBuild"),
        "configuration": {"ProjectName": "app"},
        "inputArtifacts": [{"name": "Code"}],
    }
    pipeline = tenant.pipeline(("Build", build))
    started = tenant.client.start_pipeline_execution(name=pipeline)["pipelineExecutionId"]
    status = tenant.finished(pipeline, started)["status"]
    log = tenant.server.hookline("logs", started, "--action", "Build").stdout
    assert status == "Succeeded", log
    assert "\ntext" in log
    assert "\ngone\n" in log


def test_the_doctor_says_that_containers_run_here(
    make_server: MakeServer, containers: dict[str, str]
) -> None:
    server = make_server(runner="container", **containers)

    assert server.hookline("doctor").returncode == 0
    changed = make_server("other", runner="container", container_program="/nowhere/podman")
    asked = changed.hookline("doctor")
    assert asked.returncode == 1
    assert "/nowhere/podman is missing" in " ".join(asked.stdout.split())


def test_a_machine_that_can_not_make_the_sandbox_says_so_at_the_start(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("git", "bash"):
        (programs / name).symlink_to(shutil.which(name) or name)
    environment = {
        "PATH": str(programs),
        "HOOKLINE_CONFIG": os.devnull,
        "HOOKLINE_DATA_DIR": str(tmp_path / "data"),
        "HOOKLINE_RUNNER": "bubblewrap",
    }

    served = run_program("serve", environment=environment, folder=tmp_path)
    asked = run_program("doctor", environment=environment, folder=tmp_path)

    assert served.returncode == 1
    assert "runner = bubblewrap can't be used on this machine: the program bwrap" in served.stderr
    assert asked.returncode == 1
    assert "apt-get install bubblewrap" in asked.stdout
