"""Actions that fail, hang or fork: the reason is told where users look, and the server stays up."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from support.sending import push_event
from support.server import Server, until
from support.tenant import Tenant, commands, source


def run(tenant: Tenant, pipeline: str, commit: str = "") -> tuple[str, str]:
    """Push and wait for the end; the execution's id and status."""
    event = push_event(commit) if commit else {"n": time.time()}
    reply = tenant.push(tenant.webhook(pipeline), event)
    assert reply.outcome == "started"
    execution = tenant.finished(pipeline, reply.execution_id)
    return reply.execution_id, execution["status"]


def check_error_is_told(
    tenant: Tenant, pipeline: str, execution_id: str, action: str, words: str
) -> None:
    """ListActionExecutions and GetPipelineState tell the same, and what follows didn't run."""
    error = tenant.error(pipeline, execution_id, action)
    assert words in error["message"], error
    state = tenant.client.get_pipeline_state(name=pipeline)
    [latest] = [
        item["latestExecution"]
        for stage in state["stageStates"]
        for item in stage["actionStates"]
        if item["actionName"] == action
    ]
    assert latest["status"] == "Failed"
    assert latest["errorDetails"] == error


def test_a_missing_repository_fails_the_source_with_gits_own_message(tenant: Tenant) -> None:
    pipeline = tenant.pipeline(source_action=source("nobody", "nothing"))
    execution_id, status = run(tenant, pipeline)
    assert status == "Failed"
    check_error_is_told(tenant, pipeline, execution_id, "App", "does not appear to be a git")
    assert list(tenant.actions(pipeline, execution_id)) == ["App"]


def test_a_missing_commit_fails_the_source_with_gits_own_message(tenant: Tenant) -> None:
    pipeline = tenant.pipeline()
    wanted = {"actionName": "App", "revisionType": "COMMIT_ID", "revisionValue": "1" * 40}
    started = tenant.client.start_pipeline_execution(name=pipeline, sourceRevisions=[wanted])
    execution_id = started["pipelineExecutionId"]
    assert tenant.finished(pipeline, execution_id)["status"] == "Failed"
    check_error_is_told(tenant, pipeline, execution_id, "App", "1" * 40)


def test_a_missing_branch_fails_the_source_with_gits_own_message(tenant: Tenant) -> None:
    pipeline = tenant.pipeline(source_action=tenant.source("absent"))
    execution_id, status = run(tenant, pipeline)
    assert status == "Failed"
    check_error_is_told(
        tenant, pipeline, execution_id, "App", "couldn't find remote ref refs/heads/absent"
    )


def test_a_command_that_fails_is_named_with_its_status(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = tenant.pipeline(
        ("Build", commands("Make", "true", "exit 3", f"touch {tmp_path}/after")),
        ("Deploy", commands("Ship", f"touch {tmp_path}/shipped")),
    )
    execution_id, status = run(tenant, pipeline)
    assert status == "Failed"
    check_error_is_told(
        tenant, pipeline, execution_id, "Make", 'Command "exit 3" exited with status 3'
    )
    assert list(tmp_path.iterdir()) == []
    assert set(tenant.actions(pipeline, execution_id)) == {"App", "Make"}


def test_an_output_that_was_not_made_fails_its_action(tenant: Tenant) -> None:
    outputs = [{"name": "Out", "files": ["never-made.txt"]}]
    pipeline = tenant.pipeline(("Build", commands("Make", "true", outputArtifacts=outputs)))
    execution_id, status = run(tenant, pipeline)
    assert status == "Failed"
    check_error_is_told(tenant, pipeline, execution_id, "Make", "never-made.txt")


def test_commands_that_hang_or_fork_end_with_their_action(
    make_server: Callable[..., Server], github: Path, tmp_path: Path
) -> None:
    server = make_server(action_timeout="1").start()
    tenant = Tenant(server, github)
    # Their ids in their namespaces say nothing here.
    marks = [f"600.{time.monotonic_ns() % 10**8 + number}" for number in range(2)]
    pipeline = tenant.pipeline(
        (
            "Build",
            commands("Hang", f"sleep {marks[0]}"),
            commands("Fork", f"(setsid sleep {marks[1]} & touch {tmp_path}/fork) &", "sleep 0.2"),
        )
    )
    execution_id, status = run(tenant, pipeline)
    assert status == "Failed"
    check_error_is_told(tenant, pipeline, execution_id, "Hang", "time limit of 1 second")
    assert tenant.actions(pipeline, execution_id)["Fork"]["status"] == "Succeeded"
    assert (tmp_path / "fork").exists()
    for process in psutil.process_iter(["cmdline"]):
        assert not set(marks) & set(process.info["cmdline"] or ())


def test_the_server_goes_on_after_failures(tenant: Tenant) -> None:
    commit = tenant.repository.commit("After failures")
    failing = tenant.pipeline(("Build", commands("Make", "kill -9 $$")))
    working = tenant.pipeline()
    assert run(tenant, failing, commit)[1] == "Failed"
    assert run(tenant, working, commit)[1] == "Succeeded"
    assert until(lambda: len(tenant.server.children("engine")) == 1)


def test_a_pipeline_deleted_while_it_runs_ends_its_executions(
    tenant: Tenant, tmp_path: Path
) -> None:
    pipeline = tenant.pipeline(
        ("Build", commands("Make", f"touch {tmp_path}/begun", "sleep 0.5")),
        ("Deploy", commands("Ship", f"touch {tmp_path}/shipped")),
    )
    tenant.push(tenant.webhook(pipeline), push_event(tenant.repository.commit("Deleted")))
    assert until((tmp_path / "begun").exists)
    tenant.client.delete_pipeline(name=pipeline)
    time.sleep(1.5)
    assert not (tmp_path / "shipped").exists()
    other = tenant.pipeline()
    assert run(tenant, other)[1] == "Succeeded"


def test_an_updated_pipeline_lets_running_executions_end_as_they_began(
    tenant: Tenant, tmp_path: Path
) -> None:
    def stages(word: str) -> tuple[object, ...]:
        build = ("Build", commands("Make", f"touch {tmp_path}/begun", "sleep 0.4"))
        return build, ("Deploy", commands("Ship", f"echo {word} >> {tmp_path}/shipped"))

    pipeline = tenant.pipeline(*stages("old"))
    webhook = tenant.webhook(pipeline)
    reply = tenant.push(webhook, push_event(tenant.repository.commit("Updated")))
    assert until((tmp_path / "begun").exists)
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    declared["stages"][2]["actions"][0]["commands"] = [f"echo new >> {tmp_path}/shipped"]
    assert tenant.client.update_pipeline(pipeline=declared)["pipeline"]["version"] == 2
    assert tenant.finished(pipeline, reply.execution_id)["status"] == "Succeeded"
    assert (tmp_path / "shipped").read_text() == "old\n"
    again = tenant.push(webhook, push_event(tenant.repository.commit("New")))
    assert tenant.finished(pipeline, again.execution_id)["pipelineVersion"] == 2
    assert (tmp_path / "shipped").read_text() == "old\nnew\n"
