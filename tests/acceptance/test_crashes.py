"""Processes die at the worst moment; what was answered stays, and what began is finished."""

import fcntl
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from hookline.model import Verdict
from hookline.store.tables import action_executions, executions, stage_executions
from support.load import Load
from support.sending import Reply, push_event, send, signed
from support.server import Server, is_alive, until
from support.tenant import SECRET, Tenant, commands

MakeServer = Callable[..., Server]


@pytest.fixture
def crashing(make_server: MakeServer, database_url: str) -> Server:
    return make_server(database_url=database_url).start()


def three_steps(tenant: Tenant, notes: Path) -> str:
    """A pipeline whose actions note their ends in `notes`; the second waits for a file `go`."""
    return tenant.pipeline(
        (
            "Build",
            commands("First", f"echo first >> {notes}/ended"),
            commands(
                "Second",
                # One command: between two, bash writes to the log and would die with the engine.
                noted(notes, "begun", "second"),
                runOrder=2,
            ),
        ),
        ("Deploy", commands("Third", f"echo third >> {notes}/ended")),
    )


def noted(notes: Path, begun: str, ended: str) -> str:
    """A command that notes its begin, waits for a file `go`, and notes its end."""
    wait = f"until test -e {notes}/go; do sleep 0.05; done"
    return f"echo begun >> {notes}/{begun}; {wait}; echo {ended} >> {notes}/ended"


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def check_each_ran_once(server: Server, execution_id: str) -> None:
    with server.database.read() as connection:
        actions = connection.execute(
            select(action_executions.c.action_name, action_executions.c.status).where(
                action_executions.c.execution_id == execution_id,
                action_executions.c.condition_type.is_(None),
            )
        ).all()
        stages = connection.execute(
            select(stage_executions.c.stage_name, stage_executions.c.status).where(
                stage_executions.c.execution_id == execution_id
            )
        ).all()
    assert sorted(map(tuple, actions)) == [
        (name, "Succeeded") for name in ("App", "First", "Second", "Third")
    ]
    assert sorted(map(tuple, stages)) == [
        (name, "Succeeded") for name in ("Build", "Deploy", "Source")
    ]


def test_t1_an_execution_finishes_after_kill_9_of_every_process(
    crashing: Server, github: Path, tmp_path: Path
) -> None:
    tenant = Tenant(crashing, github)
    pipeline = three_steps(tenant, tmp_path)
    reply = tenant.push(tenant.webhook(pipeline), push_event(tenant.repository.commit("Crash")))
    assert until(lambda: lines(tmp_path / "begun"))
    crashing.kill()
    assert lines(tmp_path / "ended") == ["first"]
    crashing.start()
    (tmp_path / "go").touch()
    assert tenant.finished(pipeline, reply.execution_id)["status"] == "Succeeded"
    assert lines(tmp_path / "ended") == ["first", "second", "third"]
    assert lines(tmp_path / "begun") == ["begun", "begun"]
    check_each_ran_once(crashing, reply.execution_id)


def test_conditions_are_asked_after_kill_9_of_every_process(
    crashing: Server, github: Path, tmp_path: Path
) -> None:
    tenant = Tenant(crashing, github)
    pipeline = three_steps(tenant, tmp_path)
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    declared["pipelineType"] = "V2"
    line = noted(tmp_path, "asked", "asked")
    look = {
        "name": "Look",
        "ruleTypeId": {"category": "Rule", "owner": "AWS", "provider": "Commands", "version": "1"},
        "commands": [line],
    }
    window = {
        "name": "Window",
        "ruleTypeId": {"category": "Rule", "provider": "DeploymentWindow"},
        "configuration": {"Cron": "* * * ? * * 1999"},
    }
    build, deploy = declared["stages"][1:]
    build["beforeEntry"] = {"conditions": [{"result": "FAIL", "rules": [look]}]}
    deploy["beforeEntry"] = {"conditions": [{"result": "FAIL", "rules": [window]}]}
    tenant.client.update_pipeline(pipeline=declared)
    execution_id = tenant.client.start_pipeline_execution(name=pipeline)["pipelineExecutionId"]
    assert until(lambda: lines(tmp_path / "asked"))
    crashing.kill()
    assert lines(tmp_path / "ended") == []
    crashing.start()
    (tmp_path / "go").touch()
    asked = {"pipelineName": pipeline, "filter": {"pipelineExecutionId": execution_id}}

    def waits() -> bool:
        found = tenant.client.list_rule_executions(**asked)["ruleExecutionDetails"]
        return str(found[0]["ruleName"]) == "Window"

    assert until(waits, 40)
    # The interrupted rule ran again, and the actions came after it, each once.
    assert lines(tmp_path / "asked") == ["begun", "begun"]
    assert lines(tmp_path / "ended") == ["asked", "first", "second"]
    crashing.kill()
    crashing.start()
    assert waits()
    place = {"pipelineName": pipeline, "stageName": "Deploy", "pipelineExecutionId": execution_id}

    def overridden() -> bool:
        try:
            tenant.client.override_stage_condition(**place, conditionType="BEFORE_ENTRY")
        except tenant.client.exceptions.ConditionNotOverridableException:
            # The rule was interrupted before it began to wait, and does so once more.
            return False
        return True

    assert until(overridden)
    assert tenant.finished(pipeline, execution_id)["status"] == "Succeeded"
    assert lines(tmp_path / "ended") == ["asked", "first", "second", "third"]
    check_each_ran_once(crashing, execution_id)
    found = tenant.client.list_rule_executions(**asked)["ruleExecutionDetails"]
    assert [item["status"] for item in found] == ["Abandoned", "Succeeded"]


def test_a_log_keeps_what_was_read_of_it_after_kill_9_of_the_engine(
    crashing: Server, github: Path
) -> None:
    tenant = Tenant(crashing, github)
    line = "for n in {1..2000}; do echo $n; sleep 0.05; done"
    pipeline = tenant.pipeline(("Build", commands("Count", line)))
    execution_id = tenant.client.start_pipeline_execution(name=pipeline)["pipelineExecutionId"]

    def log() -> list[str]:
        shown = crashing.hookline("logs", execution_id, "--action", "Count").stdout
        return shown.splitlines()

    assert until(lambda: len(log()) > 40)
    seen = log()
    [engine] = crashing.children("engine")
    engine.kill()
    again = "[an earlier try was interrupted; the action starts again]"
    assert until(lambda: again in log(), 30)
    found = log()
    first = found[: found.index(again)]
    assert first[: len(seen) - 1] == seen[:-1]
    assert first[2:] == [str(number + 1) for number in range(len(first) - 2)]
    tenant.client.stop_pipeline_execution(
        pipelineName=pipeline, pipelineExecutionId=execution_id, abandon=True
    )


@pytest.mark.parametrize("pid_namespaces", ["true", "false"])
def test_t1_an_execution_finishes_after_kill_9_of_the_engine_alone(
    make_server: MakeServer, database_url: str, github: Path, tmp_path: Path, pid_namespaces: str
) -> None:
    crashing = make_server(database_url=database_url, pid_namespaces=pid_namespaces).start()
    tenant = Tenant(crashing, github)
    pipeline = three_steps(tenant, tmp_path)
    reply = tenant.push(tenant.webhook(pipeline), push_event(tenant.repository.commit("Crash")))
    assert until(lambda: lines(tmp_path / "begun"))
    [engine] = crashing.children("engine")
    left_behind = engine.children(recursive=True)
    engine.kill()
    assert until(lambda: len(lines(tmp_path / "begun")) == 2)
    (tmp_path / "go").touch()
    assert tenant.finished(pipeline, reply.execution_id)["status"] == "Succeeded"
    # The interrupted try of Second was ended, not left to end beside the second one.
    assert lines(tmp_path / "ended") == ["first", "second", "third"]
    assert lines(tmp_path / "begun") == ["begun", "begun"]
    assert left_behind
    assert not any(is_alive(process) for process in left_behind)
    check_each_ran_once(crashing, reply.execution_id)
    assert "the engine ended with status -9; starting it again" in crashing.output


def test_t1_executions_finish_however_often_everything_is_killed(
    crashing: Server, github: Path
) -> None:
    tenant = Tenant(crashing, github)
    pipeline = tenant.pipeline(
        ("Build", commands("Make", "sleep 0.2"), commands("Test", "sleep 0.2")),
        ("Deploy", commands("Ship", "sleep 0.1")),
        executionMode="PARALLEL",
        pipelineType="V2",
    )
    webhook = tenant.webhook(pipeline)
    started = []
    for moment in (0.2, 0.8):
        started += [tenant.push(webhook, push_event(n=f"{moment}/{n}")) for n in range(2)]
        commit = tenant.repository.commit(f"At {moment}")
        started.append(tenant.push(webhook, push_event(commit)))
        time.sleep(moment)
        crashing.kill()
        crashing.start()
    found = [tenant.finished(pipeline, reply.execution_id)["status"] for reply in started]
    assert found == ["Succeeded"] * len(started), "of a commit that is nowhere, the branch's head"
    assert len(tenant.executions(pipeline)) == len(started)


def check_nothing_answered_is_lost(server: Server, replies: list[Reply]) -> None:
    with server.database.read() as connection:
        kept = Counter(connection.execute(select(executions.c.id)).scalars())
    delivered = Counter(
        delivery.execution_id
        for delivery in server.deliveries(replies[0].delivery_id)
        if delivery.verdict is Verdict.STARTED
    )
    answered = Counter(reply.execution_id for reply in replies if reply.outcome == "started")
    assert answered
    # Differences, a few: what a failing comparison of thousands would print helps nobody.
    assert list((answered - kept).elements())[:5] == []
    assert [name for name, count in kept.items() if count > 1][:5] == []
    # Those without an answer may be there or not, but never a half of one.
    assert list(((delivered - kept) + (kept - delivered)).elements())[:5] == []


@pytest.mark.parametrize("role", ["worker", "recorder"])
def test_t1_t14_kill_9_of_one_process_under_load_loses_nothing_that_was_answered(
    crashing: Server, github: Path, role: str
) -> None:
    tenant = Tenant(crashing, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    with Load(webhook["url"]) as load:
        for _ in range(2):
            assert load.goes_on()
            [process] = until(lambda: crashing.children(role))
            process.kill()
            process.wait()
        assert load.goes_on()
    check_nothing_answered_is_lost(crashing, load.replies)


def test_t1_t14_kill_9_of_everything_under_load_loses_nothing_that_was_answered(
    crashing: Server, github: Path
) -> None:
    tenant = Tenant(crashing, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    with Load(webhook["url"]) as load:
        assert load.goes_on()
        crashing.kill()
    crashing.start()
    check_nothing_answered_is_lost(crashing, load.replies)


def test_t10_an_event_stays_known_after_a_crash(crashing: Server, github: Path) -> None:
    tenant = Tenant(crashing, github)
    pipeline = tenant.idle_pipeline()
    webhook = tenant.webhook(pipeline)
    first = tenant.push(webhook)
    crashing.kill()
    crashing.start()
    again = tenant.push(webhook)
    assert (first.outcome, again.outcome) == ("started", "duplicate")
    assert again.execution_id == first.execution_id
    assert len(tenant.executions(pipeline)) == 1


def test_no_process_outlives_its_supervisor(make_server: MakeServer) -> None:
    server = make_server().start()
    children: list[Any] = psutil.Process(server.process.pid).children()
    assert len(children) >= 2
    server.process.kill()
    server.process.wait()
    assert until(lambda: not any(is_alive(child) for child in children), 10)
    # The data folder is free, once their last threads are gone.
    assert until(lambda: is_free(server.data / "lock"), 5)


def test_the_next_start_waits_for_what_a_killed_supervisor_left(
    make_server: MakeServer, github: Path
) -> None:
    server = make_server().start()
    tenant = Tenant(server, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    body = json.dumps(push_event()).encode()
    half_sent = threading.Event()
    replies: list[Reply] = []

    def parts() -> Iterator[bytes]:
        yield body[:10]
        half_sent.set()
        # Longer than a start waits for a server that is not about to end.
        time.sleep(8)
        yield body[10:]

    def deliver() -> None:
        replies.append(send(webhook["url"], parts(), signed(SECRET, body)))

    sending = threading.Thread(target=deliver)
    sending.start()
    assert half_sent.wait(10)
    [worker] = server.children("worker")
    # It has begun to read the body.
    assert until(lambda: [c for c in worker.net_connections() if c.status == "ESTABLISHED"])
    server.process.kill()
    server.process.wait()
    server.start()
    sending.join()
    assert [reply.outcome for reply in replies] == ["started"]
    assert not is_alive(worker)
    assert "waiting for the processes of the server before" in server.output
    assert tenant.push(webhook, push_event(n="after")).outcome == "started"


def is_free(file: Path) -> bool:
    with file.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
