import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from hookline.actions import provider_for
from hookline.actions.processes import MARKER
from hookline.actions.provider import Interrupted
from hookline.errors import ActionError
from hookline.model import Action, ActionType, new_id, stages_of
from support.workshop import COMMANDS, Workshop


def failure(workshop: Workshop, *commands: str, **changes: object) -> str:
    with pytest.raises(ActionError) as failed:
        workshop.commands(*commands, **changes)  # type: ignore[arg-type]  # passed through
    return failed.value.message


def living(action_execution_id: str) -> list[str]:
    """The command lines of the processes that carry the action execution's marker."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == action_execution_id:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def eventually(condition: object) -> None:
    deadline = time.monotonic() + 5
    while not condition():  # type: ignore[operator]  # a callable
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_commands_run_in_one_shell_and_are_echoed(workshop: Workshop) -> None:
    result = workshop.commands("cd /", 'export A=1; f() { echo "f $A $PWD"; }', "f")

    assert result.summary == "3 commands succeeded"
    assert workshop.log == ('$ cd /\n$ export A=1; f() { echo "f $A $PWD"; }\n$ f\nf 1 /\n')


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("false", "exited with status 1"),
        ("exit 7", "exited with status 7"),
        ("(exit 3)", "exited with status 3"),
        ("set -e; false; echo on", "exited with status 1"),
        ("set -o pipefail; false | true", "exited with status 1"),
        ("no-such-program", "exited with status 127"),
        ("exec sh -c 'exit 9'", "exited with status 9"),
        ("sh -c 'kill -9 $$'", "exited with status 137 (SIGKILL)"),
        ("kill -TERM $$", "was ended by the signal SIGTERM"),
        ("if", "exited with status 2"),
        ("echo 'open", "exited with status 2"),
        ("((", "exited with status 2"),
        ("[[ a", "exited with status 2"),
        ("case x in", "exited with status 2"),
        ("}", "exited with status 2"),
    ],
)
def test_the_first_command_that_fails_ends_the_action(
    workshop: Workshop, command: str, how: str
) -> None:
    message = failure(workshop, "echo before", command, "echo after")

    assert message == f'Command "{command}" {how}'
    assert "\nbefore\n" in workshop.log
    assert "after" not in workshop.log
    assert workshop.log.endswith(f"{message}\n")


@pytest.mark.parametrize(
    "command",
    ["set -C", "set -u", "set -e", "break", "set -- a b", "exec 3>&1", "# note"],
)
def test_what_a_command_sets_in_the_shell_does_not_end_the_action(
    workshop: Workshop, command: str
) -> None:
    workshop.commands(command, "echo after")

    assert workshop.log.endswith("\nafter\n")


def test_a_command_that_ends_the_shell_well_says_what_did_not_run(workshop: Workshop) -> None:
    result = workshop.commands("exit 0", "echo after")

    assert (
        result.summary == 'Command "exit 0" ended the shell with status 0; 1 after it did not run'
    )
    assert "\nafter" not in workshop.log


def test_the_environment_has_nothing_of_the_server_s(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_MASTER_KEY", "server-secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "server-secret")
    monkeypatch.setenv("BASH_ENV", "/dev/null")

    workshop.commands(
        "env", 'echo "home=$HOME"; cat; echo end', environment=(("MINE", "yes"), ("A", "b c"))
    )

    variables = {line.partition("=")[0] for line in workshop.log.splitlines() if "=" in line[1:]}
    assert "server-secret" not in workshop.log
    assert variables == {
        *("PATH", "HOME", "TMPDIR", "LANG", "CI", "AWS_REGION", "AWS_DEFAULT_REGION"),
        *("CODEPIPELINE_PIPELINE_NAME", "CODEPIPELINE_STAGE_NAME", "CODEPIPELINE_ACTION_NAME"),
        *("CODEPIPELINE_EXECUTION_ID", "CODEBUILD_SRC_DIR", MARKER, "MINE", "A"),
        *("PWD", "OLDPWD", "SHLVL", "_", "home", '$ echo "home'),
    } - {"OLDPWD"}
    assert "AWS_REGION=eu-west-1\n" in workshop.log
    assert "CODEPIPELINE_EXECUTION_ID=execution\n" in workshop.log
    assert "A=b c\n" in workshop.log
    assert f"home={workshop.folder}/work" in workshop.log
    assert workshop.log.endswith("\nend\n")


def test_the_marker_can_not_be_replaced_by_the_action_s_environment(workshop: Workshop) -> None:
    workshop.commands(f"echo is ${MARKER}", environment=((MARKER, "other"),))

    assert "is other" not in workshop.log


def test_the_first_input_is_the_working_directory_and_others_are_beside_it(
    workshop: Workshop,
) -> None:
    inputs = (
        workshop.artifact("Source", {"a": "first"}),
        workshop.artifact("Tools", {"b": "second"}),
    )

    workshop.commands(
        'echo "$(cat a) $(cat $CODEBUILD_SRC_DIR_Tools/b) $(cat $CODEBUILD_SRC_DIR_Source/a)"',
        '[ "$PWD" = "$CODEBUILD_SRC_DIR" ]',
        inputs=inputs,
    )

    assert "\nfirst second first\n" in workshop.log


def test_output_artifacts_have_the_files_that_match(workshop: Workshop) -> None:
    result = workshop.commands(
        "mkdir dist; echo x > dist/run; chmod +x dist/run; echo y > other", files=("dist",)
    )

    folder = workshop.unpacked(result.artifacts[0])
    assert [str(p.relative_to(folder)) for p in folder.rglob("*")] == ["dist", "dist/run"]
    assert os.access(folder / "dist/run", os.X_OK)


def test_output_files_that_are_missing_fail_the_action(workshop: Workshop) -> None:
    message = failure(workshop, "true", files=("build/*.zip",))

    assert message == 'Output artifact Made: No file in the workspace matches "build/*.zip"'


def test_a_link_out_of_the_workspace_takes_nothing_along(workshop: Workshop) -> None:
    secret = workshop.folder / "secret"
    secret.write_text("secret")

    result = workshop.commands(f"ln -s {secret} link; touch a", files=("**/*",))

    assert [p.name for p in workshop.unpacked(result.artifacts[0]).iterdir()] == ["a"]
    assert "Output artifact Made leaves out link" in workshop.log


def test_a_missing_input_fails_the_action(workshop: Workshop) -> None:
    artifact = workshop.artifact("Source", {"a": "1"})
    (workshop.folder / "artifacts" / artifact.key).unlink()

    assert "inputs/Source could not be unpacked" in failure(workshop, "true", inputs=(artifact,))


def test_a_command_that_hangs_meets_the_time_limit(workshop: Workshop) -> None:
    identity = new_id()
    started = time.monotonic()

    message = failure(
        workshop, "trap '' TERM INT; sleep 60", time_limit=0.5, action_execution_id=identity
    )

    assert message == "The action took longer than its time limit of 0.5 seconds"
    assert time.monotonic() - started < 30
    assert not living(identity)
    assert workshop.log.endswith(f"{message}\n")


def test_the_time_limit_of_the_action_is_in_minutes(workshop: Workshop) -> None:
    action = Action("Compile", COMMANDS, commands=("true",), timeout_minutes=5)

    assert workshop.context(action, time_limit=1.0).time_limit == 300
    assert workshop.context(Action("A", COMMANDS), time_limit=1.0).time_limit == 1


ESCAPES = [
    "sleep {mark} &",
    "setsid sleep {mark} &",
    "(setsid setsid sleep {mark} &) &",
    "nohup sh -c 'sleep {mark} & sleep {mark}' &",
    "setsid sh -c 'cd /; exec sleep {mark}' < /dev/null > /dev/null 2>&1 &",
    "env -i /bin/sleep {mark} &",
    "sleep {mark} & disown; kill -STOP $!",
]


@pytest.mark.parametrize("command", ESCAPES)
def test_what_a_command_leaves_running_is_killed_and_does_not_hang_the_action(
    workshop: Workshop, command: str
) -> None:
    identity = new_id()
    mark = f"6{time.monotonic_ns() % 10**8}"
    started = time.monotonic()

    workshop.commands(command.replace("{mark}", mark), "echo done", action_execution_id=identity)

    assert time.monotonic() - started < 30
    assert living(identity) == []
    assert not [p for p in psutil.process_iter() if mark in arguments(p)]
    assert workshop.log.endswith("\ndone\n")


@pytest.mark.parametrize("start", ["again &", 'setsid bash -c "$(declare -f again); again" &'])
@pytest.mark.parametrize("pause", ["", "/bin/sleep 0.01; "])
def test_a_chain_of_processes_that_each_start_the_next_is_ended(
    workshop: Workshop, start: str, pause: str
) -> None:
    ticks = workshop.folder / "ticks"
    ticks.touch()

    workshop.commands(
        f"again() {{ echo x >> {ticks}; {pause}again & }}; {start}",
        f"while [ ! -s {ticks} ]; do sleep 0.01; done",
    )

    size = ticks.stat().st_size
    time.sleep(0.1)
    assert ticks.stat().st_size == size


def test_escaped_processes_are_killed_at_the_time_limit(workshop: Workshop) -> None:
    identity = new_id()

    failure(workshop, "setsid sleep 61 & sleep 60", time_limit=0.5, action_execution_id=identity)

    assert living(identity) == []


def test_a_background_process_that_never_stops_writing_does_not_hang_the_action(
    workshop: Workshop,
) -> None:
    started = time.monotonic()

    workshop.commands("setsid yes &", "true", max_log=10_000)

    assert time.monotonic() - started < 30


def test_a_process_that_sheds_marker_and_group_is_killed(workshop: Workshop) -> None:
    started = time.monotonic()
    mark = f"6{time.monotonic_ns() % 10**8}"

    workshop.commands(f"env -i setsid /bin/sleep {mark} & sleep 0.2", "echo done")

    assert time.monotonic() - started < 30
    assert not [p for p in psutil.process_iter() if mark in arguments(p)]
    assert workshop.log.endswith("\ndone\n")


def test_stopping_kills_all_and_is_no_failure(workshop: Workshop) -> None:
    identity = new_id()
    threading.Timer(0.3, workshop.stop.set).start()

    with pytest.raises(Interrupted):
        workshop.commands("setsid sleep 60 &", "sleep 60", action_execution_id=identity)

    assert living(identity) == []


def test_after_stop_nothing_starts(workshop: Workshop) -> None:
    workshop.stop.set()

    with pytest.raises(Interrupted):
        workshop.commands(f"touch {workshop.folder}/ran")

    assert not (workshop.folder / "ran").exists()


def test_the_same_action_can_be_run_twice(workshop: Workshop) -> None:
    identity = new_id()
    for _ in range(2):
        workshop.commands("echo x >> made", files=("made",), action_execution_id=identity)

    result = workshop.commands("echo x >> made", files=("made",), action_execution_id=identity)

    assert (workshop.unpacked(result.artifacts[0]) / "made").read_text() == "x\n"
    assert "an earlier try was interrupted" in workshop.log


def test_the_workspace_is_removed_whatever_is_in_it(workshop: Workshop) -> None:
    workshop.commands("mkdir -p a/b; touch a/b/c; chmod 555 a/b a")
    failure(workshop, "mkdir -p a/b; chmod 0 a; false")

    assert list((workshop.folder / "work").iterdir()) == []


EXPORTED = "$HOME/../exported"
PLACES = {
    "a pipe": "mkfifo {file}",
    "a link to a pipe": "mkfifo pipe; ln -s $PWD/pipe {file}",
    "a link to a device": "ln -s /dev/zero {file}",
    "a link to a file": "ln -s /etc/hostname {file}",
    "a folder": "mkdir {file}",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_output_variables_are_taken_from_a_regular_file_only(
    workshop: Workshop, place: str
) -> None:
    put = place.replace("{file}", EXPORTED)

    # The shell ends before it would write the variables itself.
    message = failure(workshop, f"{put}; exec true", output_variables=("A",))

    assert message.startswith("The output variables can't be taken: exported ")


def test_output_variables_are_bounded(workshop: Workshop) -> None:
    def exported(command: str) -> str:
        return workshop.commands(command, output_variables=("A",)).variables["A"]

    assert exported("A=$(head -c 122879 /dev/zero | tr '\\0' x)") == "x" * 122_879
    for command in (
        "A=$(head -c 122880 /dev/zero | tr '\\0' x)",
        f"truncate -s 300G {EXPORTED}; exec true",
    ):
        message = failure(workshop, command, output_variables=("A",))
        assert message == (
            "The output variables can't be taken: exported has more than 122880 bytes"
        )


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_takes_the_place_of_the_progress_holds_nothing_up(
    workshop: Workshop, place: str
) -> None:
    progress = "$HOME/../progress"
    put = f"rm {progress}; {place.replace('{file}', progress)}"

    message = failure(workshop, f"{put}; exit 3")

    assert message.endswith('" exited with status 3')


def test_output_artifacts_have_a_largest_size(workshop: Workshop) -> None:
    started = time.monotonic()

    message = failure(
        workshop, "truncate -s 300G sparse", files=("sparse",), max_artifact=10_000_000
    )

    assert message.startswith("Output artifact Made: The artifact 1/execution/")
    assert message.endswith("more than 10000000 bytes (the setting max_artifact)")
    assert time.monotonic() - started < 30


def test_an_input_artifact_has_a_largest_size(workshop: Workshop) -> None:
    artifact = workshop.artifact("Source", {"a": "x" * 100_000})

    message = failure(workshop, "true", inputs=(artifact,), max_artifact=90_000)

    assert message.endswith("more than 90000 bytes (the setting max_artifact)")


@pytest.mark.parametrize("times", [1, 2])
def test_1200_folders_in_one_another_are_not_packed_and_removed(
    workshop: Workshop, times: int
) -> None:
    folders = "$(printf 'd/%.0s' {1..1200})"
    nest = f"for n in {{1..{times}}}; do mkdir -p {folders}; cd {folders}; done; chmod 555 .; cd /"

    message = failure(workshop, nest, files=("**/*",))

    assert message == (
        "Output artifact Made: The workspace has more than 256 folders in one another"
    )
    assert list((workshop.folder / "work").iterdir()) == []


@pytest.mark.parametrize(
    "command",
    ["cd /; rmdir $CODEBUILD_SRC_DIR", 'cd ..; rmdir "$OLDPWD"; ln -s /etc "$OLDPWD"'],
)
def test_a_workspace_that_is_no_folder_any_more_is_not_packed(
    workshop: Workshop, command: str
) -> None:
    message = failure(workshop, command, files=("**/*",))

    assert message.startswith("Output artifact Made: The workspace can't be read: ")


def test_a_link_to_itself_is_packed(workshop: Workshop) -> None:
    result = workshop.commands("ln -s loop loop; ln -s a b; ln -s b a", files=("**/*",))

    folder = workshop.unpacked(result.artifacts[0])
    assert sorted(p.name for p in folder.iterdir()) == ["a", "b", "loop"]
    assert (folder / "loop").readlink() == Path("loop")


def test_packing_is_within_the_time_limit(workshop: Workshop) -> None:
    started = time.monotonic()

    message = failure(
        workshop,
        "truncate -s 900M large{1..100}",
        files=("**/*",),
        time_limit=1.0,
        max_artifact=100_000_000_000,
    )

    assert message.endswith("The action took longer than its time limit of 1 second")
    assert time.monotonic() - started < 30


def test_packing_can_be_stopped(workshop: Workshop) -> None:
    threading.Timer(1.0, workshop.stop.set).start()
    started = time.monotonic()

    with pytest.raises(Interrupted):
        workshop.commands(
            "truncate -s 900M large{1..100}", files=("**/*",), max_artifact=100_000_000_000
        )

    assert time.monotonic() - started < 30
    assert not list((workshop.folder / "artifacts").rglob("*.gz"))


def test_unpacking_is_within_the_time_limit(workshop: Workshop) -> None:
    artifact = workshop.artifact("Source", {"a": "x" * 100_000})

    message = failure(workshop, f"touch {workshop.folder}/ran", inputs=(artifact,), time_limit=0.0)

    assert message.endswith("The action took longer than its time limit of 0 seconds")
    assert not (workshop.folder / "ran").exists()


def test_output_reaches_the_log_while_the_command_runs(workshop: Workshop) -> None:
    thread = threading.Thread(
        target=workshop.commands,
        args=(f"echo early; while [ ! -e {workshop.folder}/go ]; do sleep 0.02; done; echo late",),
    )
    thread.start()

    eventually(lambda: "\nearly\n" in workshop.log)
    assert "\nlate" not in workshop.log
    (workshop.folder / "go").touch()
    thread.join(5)
    assert workshop.log.endswith("\nlate\n")


def test_both_outputs_are_in_order_and_the_last_line_needs_no_newline(workshop: Workshop) -> None:
    workshop.commands("echo 1; echo 2 >&2; echo 3; printf 4")

    assert workshop.log.endswith("\n1\n2\n3\n4\n")


def test_the_log_is_capped_and_says_so_in_its_last_line(workshop: Workshop) -> None:
    workshop.commands("head -c 5000000 /dev/zero | tr '\\0' 'x' | fold -w 99", max_log=20_000)

    assert len(workshop.log) < 20_200
    assert workshop.log.splitlines()[-1] == "[the log ends here: it is longer than 20000 bytes]"


def test_secrets_are_masked_in_logs_and_errors_in_every_form(workshop: Workshop) -> None:
    secret, key = "s3cret/+word", "-----BEGIN\nbm90IGEga2V5\n-----END"
    secrets = (secret, key)
    pieces = f"printf %s {secret[:4]}; sleep 0.2; echo {secret[4:]}"

    message = failure(
        workshop,
        pieces,
        f"echo {secret}; echo -n {secret} | base64; echo 's3cret%2F%2Bword'; echo '{key}'",
        f"printf '%070000d{secret}'  0",
        f"printf %s {secret}; false {secret}",
        secrets=secrets,
    )

    assert message == 'Command "printf %s ****; false ****" exited with status 1'
    assert "s3cret" not in workshop.log
    assert "czNjcmV0" not in workshop.log
    assert "bm90IGEga2V5" not in workshop.log
    assert "\n****\n****\n****\n****\n" in workshop.log


def test_output_that_is_not_text_is_kept(workshop: Workshop) -> None:
    workshop.commands("printf '\\377\\376\\n'")

    assert b"\n\xff\xfe\n" in workshop.kept.data


def test_an_action_type_without_a_provider_is_named(workshop: Workshop) -> None:
    kind = ActionType("Deploy", "AWS", "S3", "1")

    with pytest.raises(ActionError, match="Deploy · AWS · S3 · 1 is not run by this version"):
        provider_for(kind)
    assert isinstance(workshop.folder, Path)


def test_an_action_of_a_partner_fails_with_the_reason() -> None:
    kind = ActionType("Invoke", "ThirdParty", "Snyk", "1")

    with pytest.raises(ActionError, match="its provider works for AWS CodePipeline only"):
        provider_for(kind)


def test_a_secret_of_secrets_manager_fails_the_action_before_any_command(
    workshop: Workshop,
) -> None:
    declared = {
        "name": "Compile",
        "actionTypeId": {"category": "Compute", "provider": "Commands"},
        "commands": ["touch ran"],
        "environmentVariables": [
            {"name": "PLAIN", "value": "x", "type": "PLAINTEXT"},
            {"name": "KEY", "value": "secret-id", "type": "SECRETS_MANAGER"},
        ],
    }
    [stage] = stages_of({"stages": [{"name": "Build", "actions": [declared]}]})

    with pytest.raises(ActionError, match="variable KEY is of type SECRETS_MANAGER") as failed:
        workshop.run(stage.actions[0])
    assert failed.value.code == "ConfigurationError"
    assert not workshop.log
