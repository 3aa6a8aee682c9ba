"""Commands in a sandbox of bubblewrap's: what they can do, and what they can't reach."""

import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from hookline.actions.provider import Interrupted
from hookline.errors import ActionError
from hookline.runners import Runner, Sandbox
from hookline.runners.bubblewrap import refusal
from support.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    if reason := refusal():
        pytest.skip(reason)
    return Workshop(tmp_path, runner=Runner.BUBBLEWRAP)


def test_commands_run_as_on_the_host(workshop: Workshop) -> None:
    source = workshop.artifact("Source", {"code.txt": "hello"})

    result = workshop.commands(
        "cat code.txt; mkdir out; echo made > out/made.txt; export VERSION=7",
        'echo "$HOME $TMPDIR" | tr " " "\\n" | xargs ls -d; touch /tmp/mine /var/tmp/mine',
        inputs=(source,),
        files=("out/**/*",),
        output_variables=("VERSION",),
    )

    assert result.variables == {"VERSION": "7"}
    assert "hello" in workshop.log
    assert (workshop.unpacked(result.artifacts[0]) / "out/made.txt").read_text() == "made\n"


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("(exit 3)", "exited with status 3"),
        ("sh -c 'kill -9 $$'", "exited with status 137 (SIGKILL)"),
        ("kill -TERM $$", "exited with status 143 (SIGTERM)"),
    ],
)
def test_a_command_that_fails_is_named(workshop: Workshop, command: str, how: str) -> None:
    with pytest.raises(ActionError) as failed:
        workshop.commands("true", command)

    assert failed.value.message == f'Command "{command}" {how}'


def test_nothing_of_the_server_can_be_read(workshop: Workshop) -> None:
    key = workshop.folder / "master.key"
    key.write_text("the secret")
    key.chmod(0o644)
    beside = workshop.folder / "work" / "another"
    beside.mkdir(parents=True)
    (beside / "source.txt").write_text("the secret")
    places = (
        f"{key} {beside}/source.txt /proc/{os.getpid()}/root{key} /root /home /var/lib /run /srv"
    )

    workshop.commands(
        f"cat {places} 2>/dev/null; ls -A {places} 2>/dev/null; true",
        f"find / -name {key.name} -o -name source.txt 2>/dev/null; true",
        "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -a PYTEST || echo none",
    )

    shown = [line for line in workshop.log.splitlines() if not line.startswith("$ ")]
    assert shown == ["none"]


def test_what_is_hidden_in_a_visible_folder_is_not_to_be_seen(workshop: Workshop) -> None:
    kept = workshop.folder / "kept"
    (kept / "data").mkdir(parents=True)
    for name in ("tool", "data/key", "hookline.toml"):
        (kept / name).write_text(f"text of {name}\n")
    sandbox = Sandbox(visible=(kept,), hidden=(kept / "data", kept / "hookline.toml"))

    workshop.commands(
        f"cat {kept}/* {kept}/data/* 2>/dev/null || touch {kept}/new 2>/dev/null || echo over",
        sandbox=sandbox,
    )

    assert workshop.log.splitlines()[1:] == ["text of tool", "over"]


@pytest.mark.parametrize(
    "place",
    ["/usr/new", "/etc/new", "/new", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"],
)
def test_the_system_can_not_be_written(workshop: Workshop, place: str) -> None:
    workshop.commands(
        f"echo x 2>/dev/null > {place} && echo written || echo not",
        "mount -o remount,rw /usr || true",
    )

    assert "written" not in workshop.log.splitlines()
    assert "not" in workshop.log.splitlines()


def test_there_is_a_network_only_where_it_is_given(workshop: Workshop) -> None:
    interfaces = "ls -d /sys/class/net/* 2>/dev/null; cut -d: -f1 -s /proc/net/dev | tr -d ' '"

    workshop.commands(interfaces, sandbox=Sandbox(network=False))

    assert workshop.log.splitlines()[1:] == ["lo"]


def test_a_file_has_a_largest_size_and_a_process_a_largest_memory(workshop: Workshop) -> None:
    limits = {"RLIMIT_FSIZE": 1_000_000, "RLIMIT_DATA": 100_000_000}

    workshop.commands(
        "head -c 2000000 /dev/zero > large; stat -c %s large",
        "python3 -c 'bytearray(200_000_000)' 2>&1 | tail -1",
        limits=limits,
    )

    assert workshop.log.splitlines()[-1] == "MemoryError"
    assert "1000000" in workshop.log.splitlines()


def test_a_stop_lets_commands_end_in_order_and_leaves_nothing(workshop: Workshop) -> None:
    mark = f"63.{time.monotonic_ns() % 10**8}"
    trap = f"trap 'echo ended in order; exit' TERM; setsid sleep {mark} & echo begun; wait"

    def stop() -> None:
        deadline = time.monotonic() + 15
        while "begun\n" not in workshop.log and time.monotonic() < deadline:
            time.sleep(0.01)
        workshop.stop.set()

    workshop.folder.joinpath("log").touch()
    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Interrupted):
        workshop.commands(trap)
    thread.join()

    assert workshop.log.endswith("ended in order\n")
    assert not [
        item for item in psutil.process_iter(["cmdline"]) if mark in (item.info["cmdline"] or ())
    ]


def test_a_chain_of_sessions_is_ended(workshop: Workshop) -> None:
    mark = f"64.{time.monotonic_ns() % 10**8}"

    workshop.commands(f"(setsid setsid env -i sleep {mark} &) & sleep 0.1")

    assert not [
        item for item in psutil.process_iter(["cmdline"]) if mark in (item.info["cmdline"] or ())
    ]


def test_a_pipeline_can_ask_for_the_sandbox_and_for_nothing_unknown(tmp_path: Path) -> None:
    if reason := refusal():
        pytest.skip(reason)
    workshop = Workshop(tmp_path)
    tmp_path.joinpath("key").write_text("the secret")

    workshop.commands(f"cat {tmp_path}/key 2>/dev/null || echo none", runner="bubblewrap")
    with pytest.raises(
        ActionError, match='asks for the runner "docker"; there are host, bubblewrap, c'
    ):
        workshop.commands("true", runner="docker")

    assert workshop.log.splitlines()[1] == "none"


def test_without_namespaces_there_is_no_sandbox_and_nothing_runs(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, pid_namespaces=False, runner=Runner.BUBBLEWRAP)

    with pytest.raises(ActionError, match="the setting pid_namespaces is off"):
        workshop.commands(f"touch {tmp_path}/ran")

    assert not (tmp_path / "ran").exists()
