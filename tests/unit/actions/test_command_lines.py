"""The words that podman and docker are given, told by a program that stands in for them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hookline.actions.processes import Child
from hookline.actions.sandboxes import BuildEnvironment, child_of
from hookline.errors import ActionError
from hookline.model import Action
from hookline.runners import Place, Runner, Sandbox
from hookline.runners.compute import COMPUTE_TYPES
from hookline.runners.containers import Containers, remove_left
from support.workshop import COMMANDS, Workshop

STAND_IN = """\
#!/bin/sh
echo "$*" >> {folder}/said
env >> {folder}/environment
case "$*" in
  *" info "*) echo {info} ;;
  *" ps "*) [ -e {folder}/removed ] || echo 0123456789ab ;;
  *" rm "*) touch {folder}/removed ;;
esac
"""

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(program: str, info: str, image: str = "mine") -> Workshop:
        file = tmp_path / program
        file.write_text(STAND_IN.format(folder=tmp_path, info=info))
        file.chmod(0o755)
        containers = Containers(
            str(file),
            ("--global",),
            ("--run=option",),
            image,
            (("mine", "ghcr.io/team/mine:1"),),
            "node-1",
            tmp_path,
        )
        return Workshop(tmp_path, runner=Runner.CONTAINER, containers=containers)

    return made


def child(workshop: Workshop, wanted: BuildEnvironment | None = None, **changes: object) -> Child:
    folder = workshop.folder / "w"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    place = Place(folder, folder / "src", folder / "tmp")
    context = workshop.context(
        Action("Build", COMMANDS),
        action_execution_id="action-1",
        limits={"RLIMIT_NPROC": 100, "RLIMIT_NOFILE": 50},
        **changes,
    )
    return child_of(context, place, ("bash", "x y"), {"LD_PRELOAD": "the value"}, wanted)


def said(workshop: Workshop) -> list[str]:
    return [
        line
        for line in (workshop.folder / "said").read_text().splitlines()
        if " inspect " not in line and " run " not in line
    ]


def test_docker_is_given_these_words(make: Make) -> None:
    workshop = make("docker", "memory cpu pids name=seccomp,profile=default")

    argv = child(workshop, BuildEnvironment(compute=COMPUTE_TYPES["BUILD_GENERAL1_SMALL"])).argv

    folder = workshop.folder / "w"
    (variables,) = folder.glob("environment-*.sh")
    assert list(argv) == [
        *(f"{workshop.folder}/docker", "--global", "run"),
        *("--rm", "--pull=missing", "--log-driver=none", "--stop-timeout=0"),
        *("--label", "hookline.action=action-1", "--label", "hookline.node=node-1"),
        *("--label", f"hookline.work={workshop.folder}"),
        *("--volume", f"{folder}:{folder}:Z", "--volume", f"{folder}/tmp:/tmp:Z"),  # noqa: S108 - its own
        *("--workdir", f"{folder}/src", "--user"),
        "0:0" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}",
        *("--security-opt=no-new-privileges", "--cap-drop=MKNOD"),
        *("--ulimit", "nofile=50:50", "--ulimit", "nproc=100:100"),
        *("--pids-limit=100", f"--memory={3 * 1024**3}", f"--cpus={min(2, os.cpu_count() or 1)}"),
        "--run=option",
        *("--entrypoint=sh", "ghcr.io/team/mine:1", "-c", '. "$1"; shift; exec "$@" 2>&1'),
        *("sh", str(variables), "bash", "x y"),
    ]
    assert variables.read_text() == "export LD_PRELOAD='the value'\n"
    assert variables.stat().st_mode & 0o777 == 0o600


def test_what_an_earlier_try_has_left_is_removed_first(make: Make) -> None:
    workshop = make("podman", "rootless")

    child(workshop)

    assert said(workshop)[1:] == [
        "--global ps --all --quiet --filter label=hookline.action=action-1",
        "--global rm --force --volumes 0123456789ab",
        "--global ps --all --quiet --filter label=hookline.action=action-1",
    ]


def test_a_node_asks_for_its_containers_at_the_start_only_if_it_ran_some(make: Make) -> None:
    workshop = make("docker", "memory")

    remove_left(workshop.containers)
    assert not (workshop.folder / "said").exists()
    child(workshop)
    before = len(said(workshop))
    remove_left(workshop.containers)
    remove_left(workshop.containers)

    assert said(workshop)[before:] == [
        f"--global ps --all --quiet --filter label=hookline.work={workshop.folder}"
    ]


def test_the_program_sees_no_variable_of_the_action_or_of_hookline(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_MASTER_KEY", "the key")
    workshop = make("podman", "rootless")

    environment = child(workshop).environment

    assert "LD_PRELOAD" not in environment
    assert "the key" not in environment.values()
    assert environment["PATH"] == os.environ["PATH"]
    assert "the key" not in (workshop.folder / "environment").read_text()


def test_without_a_network_there_is_none(make: Make) -> None:
    workshop = make("podman", "rootless")

    assert "--network=none" in child(workshop, sandbox=Sandbox(network=False)).argv
    assert "--network=none" not in child(workshop).argv


def test_what_can_not_be_bounded_is_said(make: Make) -> None:
    workshop = make("podman", "pids rootless")

    made = child(workshop, BuildEnvironment(compute=COMPUTE_TYPES["BUILD_GENERAL1_2XLARGE"]))

    assert made.notes == [
        "The container's memory and CPU can't be limited on this machine",
        f"The container has {os.cpu_count()} CPUs, not 72",
    ]
    assert not [word for word in made.argv if word.startswith(("--memory", "--cpus"))]


def test_privileged_mode_needs_a_rootless_program(make: Make) -> None:
    privileged = BuildEnvironment(privileged=True)

    assert "--privileged" in child(make("podman", "memory rootless"), privileged).argv
    with pytest.raises(ActionError, match="wants privileged mode"):
        child(make("docker", "memory name=seccomp,profile=default"), privileged)


@pytest.mark.parametrize("runner", ["host", "bubblewrap"])
@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (BuildEnvironment(privileged=True), "privileged mode, which the runner"),
        (BuildEnvironment(image="golang:1"), "the image golang:1, which the runner"),
    ],
)
def test_without_a_container_what_needs_one_is_refused(
    make: Make, runner: str, wanted: BuildEnvironment, says: str
) -> None:
    with pytest.raises(ActionError, match=says):
        child(make("podman", "rootless"), wanted, runner=runner)


def test_a_curated_image_is_no_reason_for_a_container(make: Make) -> None:
    wanted = BuildEnvironment(image="aws/codebuild/standard:7.0")

    made = child(make("podman", "rootless"), wanted, runner="host")

    assert Path(made.argv[0]).name == "bash"


def test_the_tag_chooses_the_image_and_the_build_before_it(make: Make) -> None:
    workshop = make("podman", "rootless")

    assert "golang:1" in child(workshop, image="golang:1").argv
    assert "rust:1" in child(workshop, BuildEnvironment(image="rust:1"), image="golang:1").argv
    with pytest.raises(ActionError, match="is no name of an image"):
        child(workshop, image="--privileged")


def test_without_an_image_or_with_an_odd_variable_nothing_runs(make: Make) -> None:
    with pytest.raises(ActionError, match="There is no image to run the commands in"):
        child(make("podman", "rootless", image=""))
    with pytest.raises(ActionError, match=r'"a\.b" does not have a name that sh knows'):
        make("podman", "rootless").commands("true", environment=(("a.b", "1"),))


def test_a_program_that_does_not_answer_is_said(tmp_path: Path) -> None:
    containers = Containers(str(tmp_path / "podman"), image="mine", work=tmp_path)

    with pytest.raises(ActionError, match="is missing"):
        child(Workshop(tmp_path, runner=Runner.CONTAINER, containers=containers))
