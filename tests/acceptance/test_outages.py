"""A part of the server, or the database, stops to answer: senders hear of it, and all goes on."""

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.exceptions
import psutil
import pytest
from sqlalchemy import make_url

from support.postgres import Cluster
from support.proxy import Proxy
from support.sending import push_event
from support.server import Server, is_alive, until
from support.tenant import Tenant, commands

MakeServer = Callable[..., Server]


def health(server: Server) -> tuple[int, dict[str, Any], float]:
    """The status, the body, and how long it took."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(f"{server.url}/healthz", timeout=30) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read()
    return status, json.loads(body), time.monotonic() - began


def is_ready(server: Server) -> bool:
    try:
        return health(server)[0] == 200
    except OSError:
        return False


def test_t12_t1_a_read_only_database_is_unavailable_and_executions_go_on_after_it(
    make_server: MakeServer, cluster: Cluster, github: Path, tmp_path: Path
) -> None:
    url = cluster.create_database()
    server = make_server(database_url=url).start()
    tenant = Tenant(server, github)
    idle = tenant.webhook(tenant.idle_pipeline())
    notes = tmp_path / "notes"
    lines = (f"echo begun >> {notes}", "sleep 2", f"echo ended >> {notes}")
    pipeline = tenant.pipeline(
        ("Build", commands("Make", *lines)), ("Deploy", commands("Ship", f"echo next >> {notes}"))
    )
    reply = tenant.push(tenant.webhook(pipeline), push_event(tenant.repository.commit("Failover")))
    assert until(notes.exists, 60)
    with cluster.read_only(str(make_url(url).database)):
        for number in range(3):
            refused = tenant.push(idle, push_event(n=number))
            assert (refused.status, refused.outcome) == (503, "refused")
            with pytest.raises(botocore.exceptions.ClientError) as caught:
                tenant.idle_pipeline()
            assert caught.value.response["Error"]["Code"] == "ServiceUnavailableException"
        assert until(lambda: health(server)[1]["store"] is False)
        assert health(server)[0] == 503
        assert until(lambda: "ended" in notes.read_text(), 60)
        # The engine tries to say so, again and again.
        time.sleep(2)
    assert until(lambda: is_ready(server), 60), server.output[-3_000:]
    assert until(lambda: tenant.push(idle, push_event(n="after")).outcome == "started")
    assert tenant.finished(pipeline, reply.execution_id, 90)["status"] == "Succeeded"
    assert notes.read_text().split() == ["begun", "ended", "next"]


def test_t12_a_database_that_swallows_packets_is_unavailable(
    make_server: MakeServer, cluster: Cluster, github: Path
) -> None:
    address = make_url(cluster.create_database())
    with Proxy(address.port or 0) as proxy:
        behind = address.set(port=proxy.port).render_as_string(hide_password=False)
        server = make_server(database_url=behind).start()
        tenant = Tenant(server, github)
        webhook = tenant.webhook(tenant.idle_pipeline())
        assert tenant.push(webhook, push_event(n="before")).outcome == "started"
        recorders = server.children("recorder")
        proxy.swallow()
        deadline = time.monotonic() + 15
        number = 0
        while time.monotonic() < deadline:
            number += 1
            began = time.monotonic()
            reply = tenant.push(webhook, push_event(n=number))
            assert (reply.status, reply.outcome) == (503, "refused")
            assert time.monotonic() - began < 25
            status, parts, took = health(server)
            assert (status, parts["store"]) == (503, False)
            assert took < 4
        began = time.monotonic()
        with pytest.raises(botocore.exceptions.ClientError, match="ServiceUnavailableException"):
            tenant.client.list_webhooks()
        assert time.monotonic() - began < 25
        proxy.forward()
        assert until(lambda: is_ready(server), 60), server.output[-3_000:]
        assert tenant.push(webhook, push_event(n="after")).outcome == "started"
        # It gave up each commit in time, so nobody took it for hung.
        assert server.children("recorder") == recorders
        server.close()


def test_t12_a_recorder_that_does_not_answer_is_told_and_replaced(
    make_server: MakeServer, github: Path
) -> None:
    server = make_server().start()
    tenant = Tenant(server, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    [recorder] = server.children("recorder")
    recorder.suspend()
    began = time.monotonic()
    reply = tenant.push(webhook, push_event(n="stopped"))
    assert (reply.status, reply.outcome) == (503, "refused")
    assert 4 < time.monotonic() - began < 25
    status, parts, took = health(server)
    assert status == 503
    assert parts == {"status": "not ready", "store": True, "recorder": False, "engine": True}
    assert took < 4
    assert until(lambda: not is_alive(recorder), 40)
    assert until(lambda: is_ready(server), 60)
    assert "hookline: the recorder has not answered for " in server.output
    # What was answered 503 was not recorded by the next one.
    assert tenant.push(webhook, push_event(n="stopped")).outcome == "started"


@pytest.mark.parametrize("role", ["worker", "engine"])
def test_a_process_that_does_not_answer_is_replaced(make_server: MakeServer, role: str) -> None:
    server = make_server().start()
    [process] = server.children(role)
    process.suspend()
    assert until(lambda: not is_alive(process), 40)
    assert until(lambda: is_ready(server), 60)
    [another] = server.children(role)
    assert another.pid != process.pid
    assert f"hookline: the {role} has not answered for " in server.output


def test_a_machine_that_slept_finds_its_processes_as_they_were(make_server: MakeServer) -> None:
    server = make_server().start()
    supervisor = psutil.Process(server.process.pid)
    processes = [*supervisor.children(), supervisor]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    time.sleep(13)
    for process in reversed(processes):
        process.send_signal(signal.SIGCONT)
    assert until(lambda: is_ready(server), 60)
    # Longer than the supervisor takes to look twice.
    time.sleep(3)
    assert [*supervisor.children(), supervisor] == processes
    assert "has not answered" not in server.output


def test_t12_a_damaged_database_is_unavailable_and_said_in_one_line(
    make_server: MakeServer, github: Path
) -> None:
    server = make_server().start()
    tenant = Tenant(server, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    file = server.data / "hookline.db"
    with server.database.read() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    file.write_bytes(b"no database" * (file.stat().st_size // 11))
    # What they have read is still at hand; those that take their place have to read it again.
    for role in ("worker", "recorder"):
        [process] = server.children(role)
        process.kill()
        process.wait()
    assert until(lambda: is_alive_again(server), 60)
    reply = tenant.push(webhook, push_event(n=1))
    assert (reply.status, reply.outcome) == (503, "refused")
    with pytest.raises(botocore.exceptions.ClientError, match="ServiceUnavailableException"):
        tenant.client.list_webhooks()
    assert health(server)[0] == 503
    assert health(server)[1]["store"] is False
    damaged = f"The file {file} is damaged (file is not a database)"
    assert damaged in server.output
    assert "Traceback" not in server.output


def is_alive_again(server: Server) -> bool:
    try:
        return bool(health(server)[1]["recorder"])
    except OSError:
        return False
