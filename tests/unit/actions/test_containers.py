"""Commands in a container of podman's or docker's: what they can do, and what is left of them."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from hookline.actions.processes import Limits, run
from hookline.actions.provider import Interrupted
from hookline.actions.sandboxes import BuildEnvironment, child_of
from hookline.errors import ActionError
from hookline.model import Action
from hookline.runners import Place, Runner, Sandbox
from hookline.runners.compute import Compute
from hookline.runners.containers import (
    WORK_LABEL,
    Containers,
    machine,
    remove_left,
)
from support import containers as programs
from support.workshop import COMMANDS, Workshop


@pytest.fixture(scope="module", params=["podman", "docker"])
def containers(request: pytest.FixtureRequest) -> Iterator[Containers]:
    with getattr(programs, request.param)() as found:
        yield found


@pytest.fixture
def workshop(tmp_path: Path, containers: Containers) -> Workshop:
    return Workshop(tmp_path, runner=Runner.CONTAINER, containers=containers)


def left(containers: Containers, label: str = "") -> list[str]:
    """The containers of this node, or with a label, in whatever state."""
    label = label or f"{WORK_LABEL}={containers.work}"
    words = (*containers.command(), "ps", "--all", "--quiet", "--filter", f"label={label}")
    return programs.ran(*words).split()


def running(mark: str) -> list[psutil.Process]:
    return [
        item for item in psutil.process_iter(["cmdline"]) if mark in (item.info["cmdline"] or ())
    ]


def shown(workshop: Workshop) -> list[str]:
    return [line for line in workshop.log.splitlines() if not line.startswith("$ ")]


def until(log: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while not log.exists() or text not in log.read_text():
        assert time.monotonic() < deadline, log.exists() and log.read_text()
        time.sleep(0.02)


def test_commands_run_in_the_image_with_their_workspace(workshop: Workshop) -> None:
    source = workshop.artifact("Source", {"code.txt": "hello"})

    result = workshop.commands(
        "cat code.txt; mkdir out; echo made > out/made.txt; export VERSION=7",
        'readlink /bin/ls; touch "$HOME/mine" "$TMPDIR/mine" /tmp/mine /etc/mine; echo; id -u',
        inputs=(source,),
        files=("out/**/*",),
        output_variables=("VERSION",),
    )

    assert result.variables == {"VERSION": "7"}
    assert "hello" in workshop.log
    assert "busybox" in shown(workshop)
    assert (workshop.unpacked(result.artifacts[0]) / "out/made.txt").read_text() == "made\n"
    assert left(workshop.containers) == []


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("(exit 3)", "exited with status 3"),
        ("sh -c 'kill -9 $$'", "exited with status 137 (SIGKILL)"),
        ("(exit 125)", "exited with status 125"),
    ],
)
def test_a_command_that_fails_is_named(workshop: Workshop, command: str, how: str) -> None:
    with pytest.raises(ActionError) as failed:
        workshop.commands("true", command)

    assert failed.value.message.startswith(f'Command "{command}" {how}')
    assert left(workshop.containers) == []


def test_variables_come_as_they_are_and_in_no_command_line(workshop: Workshop) -> None:
    value = "two\nlines, 'quotes' \"and\" $HOME `id` \\ ü"
    mark = f"secret-{time.monotonic_ns()}"
    seen: list[str] = []

    def look() -> None:
        until(workshop.folder / "log", "begun\n")
        seen.extend(
            word for item in psutil.process_iter(["cmdline"]) for word in item.info["cmdline"] or ()
        )

    thread = threading.Thread(target=look)
    thread.start()
    workshop.commands(
        'echo "$ODD"; echo "$LD_PRELOAD"; echo begun; sleep 1; [ "$MARK" ]',
        environment=(("ODD", value), ("MARK", mark), ("LD_PRELOAD", "/of/the/pipeline.so")),
    )
    thread.join()

    assert value in workshop.log
    assert "/of/the/pipeline.so" in workshop.log
    assert seen
    assert not [word for word in seen if mark in word]


def test_nothing_of_the_server_can_be_read(workshop: Workshop) -> None:
    key = workshop.folder / "master.key"
    key.write_text("the secret")
    key.chmod(0o644)
    beside = workshop.folder / "work" / "another"
    beside.mkdir(parents=True)
    (beside / "source.txt").write_text("the secret")

    workshop.commands(
        f"cat {key} {beside}/source.txt /proc/{os.getpid()}/root{key} 2>/dev/null; true",
        f"find / -name {key.name} -o -name source.txt 2>/dev/null; true",
        "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -a PYTEST || echo none",
        "mount -o bind / /tmp 2>/dev/null; mknod disk b 254 0 2>/dev/null && cat disk || echo none",
    )

    assert shown(workshop) == ["none", "none"]


def test_there_is_a_network_only_where_it_is_given(workshop: Workshop) -> None:
    # Not what the machine may need for a network.
    workshop.containers = replace(workshop.containers, run_options=())

    workshop.commands("cut -d: -f1 -s /proc/net/dev | tr -d ' '", sandbox=Sandbox(network=False))

    assert shown(workshop) == ["lo"]


def test_files_memory_and_processes_have_bounds(workshop: Workshop) -> None:
    workshop.commands(
        "head -c 2000000 /dev/zero > large; stat -c %s large",
        "dd if=/dev/zero of=/dev/null bs=200M count=1 2>&1 || echo too much",
        "ulimit -u",
        limits={"RLIMIT_FSIZE": 1_000_000, "RLIMIT_NPROC": 200, "RLIMIT_DATA": 100_000_000},
    )

    assert {"1000000", "too much", "200"} <= set(shown(workshop))


def test_a_build_has_no_more_memory_than_its_compute_type(workshop: Workshop) -> None:
    if "memory" not in machine(workshop.containers).controllers:
        pytest.skip("needs cgroups that bound memory")
    status = built(
        workshop,
        ("sh", "-c", "dd if=/dev/zero of=/dev/null bs=200M count=1"),
        BuildEnvironment(compute=Compute(64 * 1024**2, 1)),
    )

    assert status == 137


def built(workshop: Workshop, argv: tuple[str, ...], wanted: BuildEnvironment) -> int:
    folder = workshop.folder / "build"
    (folder / "tmp").mkdir(parents=True)
    context = workshop.context(Action("Build", COMMANDS))
    context.folder.mkdir()
    child = child_of(context, Place(folder, folder, folder / "tmp"), argv, {}, wanted)
    return run(child, Limits.of(60, workshop.stop), lambda _: None)


def test_an_image_that_is_not_there_is_said(workshop: Workshop) -> None:
    with pytest.raises(ActionError, match="did not start"):
        workshop.commands("true", image="localhost:1/not/there:1")

    assert "localhost:1/not/there" in workshop.log


def test_a_stop_lets_commands_end_in_order_and_leaves_nothing(workshop: Workshop) -> None:
    mark = f"63.{time.monotonic_ns() % 10**8}"
    trap = f"trap 'echo ended in order; exit' TERM; setsid sleep {mark} & echo begun; wait"

    def stop() -> None:
        until(workshop.folder / "log", "begun\n")
        workshop.stop.set()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Interrupted):
        workshop.commands(trap)
    thread.join()

    assert "ended in order\n" in workshop.log
    assert running(mark) == []
    assert left(workshop.containers) == []


def test_one_that_ignores_the_stop_is_killed(workshop: Workshop) -> None:
    mark = f"64.{time.monotonic_ns() % 10**8}"

    with pytest.raises(ActionError, match="longer than its time limit"):
        workshop.commands(f"trap '' TERM; sleep {mark}", time_limit=8.0)

    assert running(mark) == []
    assert left(workshop.containers) == []


def _run_for_long(folder: Path, containers: Containers, mark: str) -> None:
    workshop = Workshop(folder, runner=Runner.CONTAINER, containers=containers)
    workshop.commands(
        f"trap '' TERM; setsid sleep {mark} & echo begun; sleep {mark}", time_limit=600.0
    )


@pytest.mark.parametrize("victim", ["engine", "keeper"])
def test_nothing_outlives_a_killed_engine(
    workshop: Workshop, containers: Containers, victim: str
) -> None:
    mark = f"65.{time.monotonic_ns() % 10**8}"
    spawned = multiprocessing.get_context("spawn")
    engine = spawned.Process(target=_run_for_long, args=(workshop.folder, containers, mark))
    engine.start()
    until(workshop.folder / "log", "begun\n")
    keepers = [
        item
        for item in psutil.Process(engine.pid).children(recursive=True)
        if "keeper.py" in str(item.cmdline())
    ]
    assert keepers
    assert running(mark)

    if victim == "keeper":
        for keeper in reversed(keepers):
            keeper.kill()
    engine.kill()
    engine.join()
    if victim == "keeper":
        remove_left(containers)

    deadline = time.monotonic() + 20
    while (running(mark) or left(containers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running(mark) == []
    assert left(containers) == []
