"""Several nodes on one PostgreSQL: they share the work, and may die, freeze and come back."""

import base64
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from hookline.store import action_executions
from hookline.store.action_executions import ActionExecution
from support.faults import Storm
from support.postgres import Cluster
from support.server import Server, until
from support.tenant import Tenant, commands

MakeNode = Callable[[str], Server]


@pytest.fixture
def make_node(make_server: Callable[..., Server], cluster: Cluster, tmp_path: Path) -> MakeNode:
    shared = {
        "database_url": cluster.create_database(),
        "artifact_store": str(tmp_path / "artifacts"),
        "master_key": base64.b64encode(os.urandom(32)).decode(),
        "log_format": "json",
    }
    return lambda name: make_server(name, node=name, **shared)


def lines(file: Path) -> int:
    return len(file.read_text().split()) if file.exists() else 0


def waiting_action(server: Server, execution_id: str) -> ActionExecution:
    with server.database.read() as connection:
        found = action_executions.of_execution(connection, execution_id)
    return next(item for item in found if item.action_name == "Wait")


def node_is_alive(server: Server, name: str) -> bool:
    shown = server.hookline("nodes").stdout
    return any(name in line and "alive" in line for line in shown.splitlines())


class BothNodes(NamedTuple):
    """Two nodes, of which the first runs an execution's one action until a file `go` is there."""

    first: Server
    second: Server
    tenant: Tenant
    pipeline: str
    execution_id: str


@pytest.fixture
def both_nodes(make_node: MakeNode, github: Path, tmp_path: Path) -> BothNodes:
    first, second = make_node("first").start(), make_node("second")
    tenant = Tenant(first, github)
    line = f"echo begun >> {tmp_path}/begun; until test -e {tmp_path}/go; do sleep 0.1; done"
    pipeline = tenant.pipeline(("Build", commands("Wait", line)))
    started = tenant.client.start_pipeline_execution(name=pipeline)
    assert until(lambda: lines(tmp_path / "begun") == 1, 60)
    second.start()
    return BothNodes(first, second, tenant, pipeline, started["pipelineExecutionId"])


def test_x6_a_killed_nodes_actions_begin_again_on_another(
    both_nodes: BothNodes, tmp_path: Path
) -> None:
    first, second, tenant, pipeline, execution_id = both_nodes
    # Its log is a second behind at most.
    time.sleep(2)
    first.kill()
    killed_at = time.monotonic()
    assert until(lambda: lines(tmp_path / "begun") == 2, 40)
    assert time.monotonic() - killed_at < 30
    (tmp_path / "go").touch()
    tenant.move_to(second)
    assert tenant.finished(pipeline, execution_id)["status"] == "Succeeded"
    assert waiting_action(second, execution_id).attempt == 2
    assert "first" in second.hookline("nodes").stdout
    log = second.hookline("logs", execution_id, "--action", "Wait").stdout
    assert log.count("$ echo begun") == 2
    assert "[an earlier try was interrupted; the action starts again]" in log


def test_a_log_is_read_from_another_node_while_and_after_the_action_runs(
    both_nodes: BothNodes, tmp_path: Path
) -> None:
    _, second, tenant, pipeline, execution_id = both_nodes
    tenant.move_to(second)

    def log() -> str:
        done = second.hookline("logs", execution_id, "--action", "Wait")
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert until(lambda: "\n$ echo begun" in log(), 10)
    assert "Build / Wait: InProgress" in log()
    address = tenant.actions(pipeline, execution_id)["Wait"]["output"]["executionResult"]
    identifier = waiting_action(second, execution_id).id
    assert address["externalExecutionUrl"] == f"{second.url}/logs/{identifier}"
    (tmp_path / "go").touch()
    assert tenant.finished(pipeline, execution_id)["status"] == "Succeeded"
    assert "Build / Wait: Succeeded" in log()
    assert not (second.data / "work" / "logs").exists()


def test_x5_x6_what_a_frozen_node_says_after_it_came_back_is_refused(
    both_nodes: BothNodes, tmp_path: Path
) -> None:
    first, second, tenant, pipeline, execution_id = both_nodes
    # Its supervisor, too: that would end an engine which does not answer.
    frozen = [psutil.Process(first.process.pid), *first.children("engine")]
    for process in frozen:
        process.suspend()
    assert until(lambda: lines(tmp_path / "begun") == 2, 40)
    (tmp_path / "go").touch()
    tenant.move_to(second)
    assert tenant.finished(pipeline, execution_id)["status"] == "Succeeded"
    ended = waiting_action(second, execution_id)
    for process in reversed(frozen):
        process.resume()
    assert until(lambda: node_is_alive(second, "first"), 20)
    assert until(lambda: "not counted" in first.output or "given back" in first.output, 20)
    assert waiting_action(second, execution_id) == ended
    assert ended.attempt == 2


def test_a_stop_that_abandons_frees_the_stage_of_a_lost_node(
    both_nodes: BothNodes, tmp_path: Path
) -> None:
    first, second, tenant, pipeline, execution_id = both_nodes
    first.kill()
    tenant.move_to(second)
    tenant.client.stop_pipeline_execution(
        pipelineName=pipeline, pipelineExecutionId=execution_id, abandon=True
    )
    # At once where the node is lost already, else as soon as it is.
    assert until(lambda: tenant.execution(pipeline, execution_id)["status"] == "Stopped", 40)
    assert lines(tmp_path / "begun") == 1


def test_a_node_that_is_stopped_hands_its_actions_over_at_once(
    both_nodes: BothNodes, tmp_path: Path
) -> None:
    first, second, tenant, pipeline, execution_id = both_nodes
    assert first.stop() == 0
    assert until(lambda: lines(tmp_path / "begun") == 2, 10)
    (tmp_path / "go").touch()
    tenant.move_to(second)
    assert tenant.finished(pipeline, execution_id)["status"] == "Succeeded"


def test_a_start_with_the_name_of_a_living_node_is_refused(make_node: MakeNode) -> None:
    make_node("same").start()
    other = make_node("same")
    other.data = other.data.parent / "other"
    with pytest.raises(AssertionError, match="HOOKLINE_NODE"):
        other.start()


def test_a_second_node_that_sees_other_artifacts_is_refused(
    make_server: Callable[..., Server], cluster: Cluster
) -> None:
    shared = {
        "database_url": cluster.create_database(),
        "master_key": base64.b64encode(os.urandom(32)).decode(),
    }
    make_server("first", node="first", **shared).start()
    with pytest.raises(AssertionError, match="keeps artifacts in another place"):
        make_server("second", node="second", **shared).start()


def test_nodes_killed_and_frozen_at_random_end_each_execution_once(
    make_node: MakeNode, github: Path
) -> None:
    nodes = [make_node(f"node-{number}").start() for number in range(3)]
    tally = Storm(nodes, Tenant(nodes[0], github), seed=7).blow(20)
    assert (tally.twice, tally.never) == ([], [])
    assert tally.once == tally.answered > 0
