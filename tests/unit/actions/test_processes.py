"""Programs, and all that they start, end with their action and with the engine."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from hookline.actions import keeper
from hookline.errors import ActionError
from hookline.model import Action, ActionType, new_id
from support.workshop import Workshop

_TESTS = Path(__file__).parents[2]
# An engine is a process with threads; an action's thread here ends before the next begins.
_ENGINE = """
import sys, threading
from pathlib import Path
from support.workshop import Workshop
folder, namespaces, identity, *commands = sys.argv[1:]
workshop = Workshop(Path(folder), pid_namespaces=namespaces == "True")
for command in commands:
    thread = threading.Thread(
        target=workshop.commands, args=(command,), kwargs={"action_execution_id": identity}
    )
    thread.start()
    thread.join()
"""


def engine(workshop: Workshop, *commands: str, identity: str = "", user: int = 0) -> list[str]:
    """The command line of a process that runs actions of one command each."""
    arguments = [str(workshop.folder), str(workshop.pid_namespaces), identity or new_id()]
    # The interpreter and the temporary folder may be for root only.
    reading = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    drop = [f"--reuid={user}", f"--regid={user}", "--clear-groups", *reading]
    environment = ["env", f"PYTHONPATH={_TESTS}:{_TESTS.parent / 'src'}"]
    program = [sys.executable, "-c", _ENGINE, *arguments, *commands]
    return [*(["setpriv", *drop] if user else []), *environment, *program]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def running(mark: str) -> list[str]:
    """The command lines that have `mark`."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if mark in line and "bash --noprofile" not in line:
            found.append(line)
    return found


def test_after_kill_9_of_the_engine_a_successor_waits_until_nothing_runs(
    workshop: Workshop,
) -> None:
    identity, ticks = new_id(), workshop.folder / "ticks"
    tick = f"while :; do echo x >> {ticks}; done"
    left = workshop.folder / "work" / "commands" / "src" / "Source"
    command = f"setsid env -i bash -c '{tick}' & (setsid setsid bash -c '{tick}' &) & {tick}"
    earlier = subprocess.Popen(engine(workshop, command, identity=identity))
    # What the killed engine has not written to the log yet is lost with it.
    until(lambda: ticks.exists() and workshop.log)
    left.mkdir(parents=True, exist_ok=True)
    (left / "rubbish").touch()
    left.chmod(0o555)

    earlier.kill()
    workshop.commands(
        f"stat -c %s {ticks}; sleep 0.2; stat -c %s {ticks}",
        "ls -A",
        inputs=(workshop.artifact("Source", {"a": "1"}),),
        action_execution_id=identity,
    )

    lines = workshop.log.split("an earlier try was interrupted", 1)[1].splitlines()
    assert lines[2] == lines[3]
    assert lines[4:] == ["$ ls -A", "a"]
    assert earlier.wait(5) == -signal.SIGKILL


def test_an_earlier_try_that_does_not_end_takes_the_action_s_time(workshop: Workshop) -> None:
    identity, go = new_id(), workshop.folder / "go"
    earlier = subprocess.Popen(engine(workshop, f"touch {go}; sleep 600", identity=identity))
    until(go.exists)

    with pytest.raises(ActionError, match=r"time limit of 0\.3 seconds"):
        workshop.commands("true", action_execution_id=identity, time_limit=0.3)

    earlier.kill()
    earlier.wait()


def test_a_program_outlives_the_thread_that_started_the_one_before(workshop: Workshop) -> None:
    done = subprocess.run(engine(workshop, "true", "sleep 0.5; echo two"), check=False)

    assert done.returncode == 0
    assert workshop.log.endswith("\ntwo\n")


def test_a_program_can_end_in_order_before_it_is_killed(workshop: Workshop) -> None:
    started = time.monotonic()

    with pytest.raises(ActionError, match="time limit"):
        workshop.commands(
            "trap 'echo in order; exit 3' TERM; while :; do sleep 0.02; done", time_limit=0.5
        )

    assert "\nin order\n" in workshop.log
    assert time.monotonic() - started < 5


def test_a_program_finds_itself_where_it_looks(workshop: Workshop) -> None:
    workshop.commands("ps -o pid= -p $$ | tr -d ' '", "echo $$ $(readlink /proc/self/fd/0)")

    lines = workshop.log.splitlines()
    assert f"{lines[1]} /dev/null" == lines[3]


def test_a_program_in_a_namespace_sees_its_own_only(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)

    workshop.commands("ps -e -o pid= | wc -l", "kill -9 -1; kill -9 1; echo on")

    assert int(workshop.log.splitlines()[1]) < 8
    assert workshop.log.endswith("\non\n")


def test_a_program_has_no_descriptors_and_no_ignored_signals(workshop: Workshop) -> None:
    workshop.commands(
        "exec 4< /dev/null; ls /proc/self/fd | tr '\\n' ' '; grep SigIgn /proc/self/status"
    )

    fds, ignored = workshop.log.splitlines()[1].split("SigIgn:")
    # 3 is ls's own, and 4 shows that none is hidden.
    assert fds.split() == ["0", "1", "2", "3", "4"]
    # The C library's own two signals, 32 and 33, are no program's to use.
    assert int(ignored, 16) & 0x7FFF_FFFF == 0


def test_nothing_of_the_server_is_in_the_environment_of_a_program_s_parent(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_MASTER_KEY", "server-secret")

    workshop.commands("tr '\\0' '\\n' < /proc/$PPID/environ; echo end")

    assert "server-secret" not in workshop.log
    assert workshop.log.endswith("\nend\n")


def test_orphans_are_reaped_while_the_program_runs(workshop: Workshop) -> None:
    workshop.commands(
        "for i in $(seq 20); do (setsid true &); done; sleep 0.5",
        "ps -e -o stat=,ppid=,args= | grep -c '^Z.*[t]rue' || true",
    )

    assert workshop.log.splitlines()[-1] == "0"


def test_a_chain_of_sessions_is_ended(workshop: Workshop) -> None:
    ticks = workshop.folder / "ticks"
    chain = "import os\nwhile True:\n if os.fork(): os._exit(0)\n os.setsid()\n"
    chain += f" open('{ticks}', 'a').write('x')"

    workshop.commands(
        f'{sys.executable} -c "{chain}" &', f"while [ ! -s {ticks} ]; do sleep 0.01; done"
    )

    size = ticks.stat().st_size
    time.sleep(0.1)
    assert ticks.stat().st_size == size


def test_a_keeper_that_was_killed_fails_the_action(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, pid_namespaces=False)

    with pytest.raises(ActionError, match="keeper of the action's processes was killed"):
        workshop.commands("kill -9 $PPID; exec sleep 61.5")

    until(lambda: not running("sleep 61.5"))


def test_a_launcher_that_was_killed_is_started_anew_and_ends_nothing(workshop: Workshop) -> None:
    workshop.commands("true")
    launchers = [item for item in psutil.Process().children() if is_launcher(item)]
    mark = workshop.folder / "mark"
    thread = threading.Thread(
        target=workshop.commands, args=(f"touch {mark}; sleep 1; touch {mark}2",)
    )
    thread.start()
    until(mark.exists)
    for launcher in launchers:
        launcher.kill()
        launcher.wait()
    other = Workshop(workshop.folder / "other", pid_namespaces=workshop.pid_namespaces)
    other.folder.mkdir()

    other.commands("echo again")
    thread.join()

    assert launchers
    assert other.log.endswith("\nagain\n")
    assert mark.with_name("mark2").exists()


def is_launcher(process: psutil.Process) -> bool:
    return str(keeper.__file__) in process.cmdline()


def test_a_program_that_is_missing_is_named(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(workshop.folder))
    configuration = {"Owner": "acme", "Repo": "app", "Branch": "main"}
    action = Action(
        "Fetch", ActionType("Source", "ThirdParty", "GitHub", "1"), configuration=configuration
    )

    with pytest.raises(ActionError, match=r"git can't be started: .*No such file"):
        workshop.run(action)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_user_who_is_not_root_gets_namespaces_and_stays_who_they_are() -> None:
    # Not pytest's own folder, which is for root only.
    with TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        os.chown(folder, 54321, 54321)
        done = subprocess.run(
            engine(workshop, "id -u; ps -e -o pid= | wc -l", user=54321),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lines = workshop.log.splitlines()

    assert "no_pid_namespaces=None" in done.stdout
    assert lines[1] == "54321"
    assert int(lines[2]) < 8


def test_a_machine_that_gives_no_namespaces_gets_the_keeper(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    mark = f"62.{time.monotonic_ns() % 10**8}"
    forbid = 'echo 0 > /proc/sys/user/max_pid_namespaces; exec "$@"'
    inside = ["unshare", "--user", "--map-root-user", "bash", "-c", forbid, "-"]

    done = subprocess.run(
        [*inside, *engine(workshop, f"setsid sleep {mark} & echo done")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "No space left on device" in done.stdout
    assert workshop.log.endswith("\ndone\n")
    assert not running(mark)
