"""`hookline serve` as its operator meets it: messages, health, stop, keys and settings."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import botocore.exceptions
import psutil
import pytest
from sqlalchemy import text

from support.command_line import PROGRAM, run_program
from support.postgres import Cluster
from support.sending import push_event, send, signed
from support.server import Server, is_alive, until
from support.tenant import SECRET, Tenant, commands

MakeServer = Callable[..., Server]


def refusal(server: Server, *options: str) -> str:
    """What serve says when it refuses to start: one line, no traceback."""
    done = run_program("serve", *options, environment=server.environment, folder=server.log.parent)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    [line] = done.stderr.strip().splitlines()
    return line


def test_serve_says_where_it_listens_and_how_to_use_it(server: Server) -> None:
    assert f"Hookline listens on {server.url}\n" in server.output
    for name, value in server.profile().items():
        assert f"export {name}={value}\n" in server.output


def test_serve_says_that_the_port_is_taken(make_server: MakeServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal(make_server(), "--port", str(port))
    assert f"can't listen on 127.0.0.1 port {port} (Address already in use)" in line
    assert "--port" in line


def test_serve_says_that_the_data_folder_is_in_use(server: Server, make_server: MakeServer) -> None:
    second = make_server()
    second.data = server.data
    line = refusal(second, "--port", "0")
    assert f"The data folder {server.data} is in use" in line
    assert f"process {server.process.pid}" in line


def test_serve_says_that_the_data_folder_cannot_be_written(make_server: MakeServer) -> None:
    server = make_server()
    server.data.write_text("a file in the way")
    line = refusal(server, "--port", "0")
    assert f"The data folder {server.data} can't be written" in line
    assert "--data-dir" in line


def test_w5_no_verify_credentials_is_refused_on_other_than_loopback(
    make_server: MakeServer,
) -> None:
    line = refusal(make_server(), "--port", "0", "--host", "0.0.0.0", "--no-verify-credentials")  # noqa: S104 - refused
    assert "loopback" in line


def test_w5_no_verify_credentials_believes_any_key_on_loopback(make_server: MakeServer) -> None:
    server = make_server()
    server.options = ["--no-verify-credentials"]
    server.start()
    client = server.client(key=("AKIAANYBODY", "whatever"))
    assert client.list_pipelines()["pipelines"] == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("port", "65536", "HOOKLINE_PORT = '65536' can't be used"),
        ("database_url", "mysql://u:hidden@h/d", "database_url can't be used"),
        ("master_key", "hidden", "HOOKLINE_MASTER_KEY must hold keys of 32 bytes"),
    ],
)
def test_serve_names_a_setting_that_cannot_be_used(
    make_server: MakeServer, name: str, value: str, words: str
) -> None:
    line = refusal(make_server(**{name: value}))
    assert words in line
    assert "hidden" not in line


def test_serve_says_that_the_database_cannot_be_reached(make_server: MakeServer) -> None:
    server = make_server(database_url="postgresql://nobody:hidden@127.0.0.1:1/none")
    line = refusal(server, "--port", "0")
    assert "The store can't be used now" in line
    assert "hidden" not in line


def test_serve_says_that_the_database_is_damaged(make_server: MakeServer) -> None:
    server = make_server()
    server.data.mkdir()
    file = server.data / "hookline.db"
    file.write_bytes(b"no database" * 1_000)
    line = refusal(server, "--port", "0")
    assert f"The file {file} is damaged (file is not a database)" in line
    assert "backup" in line


def test_serve_says_that_the_schema_is_newer(make_server: MakeServer, database_url: str) -> None:
    server = make_server(database_url=database_url)
    server.database.migrate()
    with server.database.write() as connection:
        connection.execute(text("UPDATE hookline_schema_version SET version_num = '9999'"))
    line = refusal(server, "--port", "0")
    assert "has schema 9999, which a newer version of Hookline has made" in line


def test_serve_says_what_a_lost_master_key_means_and_makes_no_other(
    make_server: MakeServer, database_url: str
) -> None:
    server = make_server(database_url=database_url).start()
    server.kill()
    key = server.data / "master.key"
    saved = key.rename(server.data / "saved")
    line = refusal(server, "--port", "0")
    assert f"There is no master key: {key} is missing" in line
    assert "webhook URLs, secret tokens, OAuth tokens and access keys" in line
    done = server.hookline("credentials", "list")
    assert done.returncode == 2
    assert f"{key} is missing" in done.stderr
    assert not key.exists()
    saved.rename(key)
    server.start()
    assert server.client().list_pipelines()["pipelines"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_when_the_request_in_flight_is_answered(
    make_server: MakeServer, github: Path, number: signal.Signals
) -> None:
    server = make_server().start()
    tenant = Tenant(server, github)
    parts = urlsplit(tenant.webhook(tenant.idle_pipeline())["url"])
    children = psutil.Process(server.process.pid).children(recursive=True)
    body = json.dumps(push_event()).encode()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.putrequest("POST", f"{parts.path}?{parts.query}")
    for name, value in {**signed(SECRET, body), "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body[:10])
    time.sleep(0.3)
    server.process.send_signal(number)
    time.sleep(0.3)
    assert server.process.poll() is None
    connection.send(body[10:])
    response = connection.getresponse()
    answer = json.load(response)
    connection.close()
    assert (response.status, answer["outcome"]) == (200, "started")
    assert server.process.wait(30) == 0
    assert not any(is_alive(child) for child in children)
    assert "Traceback" not in server.output
    assert server.delivery(answer["deliveryId"]).execution_id == answer["pipelineExecutionId"]


def test_serve_stops_running_commands_and_runs_them_again_at_the_next_start(
    make_server: MakeServer, github: Path, tmp_path: Path
) -> None:
    server = make_server().start()
    tenant = Tenant(server, github)
    go = tmp_path / "go"
    wait = f"until test -e {go}; do sleep 0.05; done"
    lines = (f"echo begun >> {tmp_path}/notes", wait, f"echo ended >> {tmp_path}/notes")
    pipeline = tenant.pipeline(("Build", commands("Make", *lines)))
    reply = tenant.push(tenant.webhook(pipeline), push_event(tenant.repository.commit("Stop")))
    assert until((tmp_path / "notes").exists)
    assert server.stop() == 0
    assert (tmp_path / "notes").read_text().split() == ["begun"]
    go.touch()
    server.start()
    assert tenant.finished(pipeline, reply.execution_id)["status"] == "Succeeded"
    assert (tmp_path / "notes").read_text().split() == ["begun", "begun", "ended"]


def health(server: Server) -> int:
    try:
        return send(f"{server.url}/healthz", method="GET").status
    except OSError:
        return 0


def test_healthz_is_200_only_while_worker_and_engine_are_ready(make_server: MakeServer) -> None:
    server = make_server().start()
    assert health(server) == 200
    [engine] = server.children("engine")
    # Stopped, not dead: it gives no sign of life, and nobody starts another.
    engine.suspend()
    assert until(lambda: health(server) == 503, 8)
    engine.kill()
    assert until(lambda: health(server) == 200, 15)
    [another] = server.children("engine")
    assert another.pid != engine.pid


def test_t12_while_the_store_is_down_senders_are_asked_to_come_again(
    make_server: MakeServer, cluster: Cluster, github: Path
) -> None:
    server = make_server(database_url=cluster.create_database()).start()
    tenant = Tenant(server, github)
    pipeline = tenant.idle_pipeline()
    webhook = tenant.webhook(pipeline)
    assert tenant.push(webhook, push_event(n=1)).outcome == "started"
    cluster.stop()
    try:
        for _ in range(3):
            reply = tenant.push(webhook, push_event(n=2))
            assert (reply.status, reply.outcome) == (503, "refused")
            assert int(reply.headers["retry-after"]) > 0
        with pytest.raises(botocore.exceptions.ClientError, match="ServiceUnavailableException"):
            tenant.client.list_webhooks()
        assert until(lambda: health(server) == 503, 8)
    finally:
        cluster.start()
    assert until(lambda: health(server) == 200, 30), server.output[-3000:]
    reply = tenant.push(webhook, push_event(n=2))
    assert reply.outcome == "started"
    assert len(tenant.executions(pipeline)) == 2
    tenant.finished(pipeline, reply.execution_id)


def test_t1_an_execution_outlasts_an_outage_of_the_store(
    make_server: MakeServer, cluster: Cluster, github: Path, tmp_path: Path
) -> None:
    server = make_server(database_url=cluster.create_database()).start()
    tenant = Tenant(server, github)
    notes = tmp_path / "notes"
    lines = (f"echo begun >> {notes}", "sleep 0.5", f"echo ended >> {notes}")
    pipeline = tenant.pipeline(
        ("Build", commands("Make", *lines)), ("Deploy", commands("Ship", f"echo next >> {notes}"))
    )
    reply = tenant.push(tenant.webhook(pipeline), push_event(tenant.repository.commit("Outage")))
    assert until(notes.exists)
    cluster.stop()
    try:
        assert until(lambda: "ended" in notes.read_text())
        time.sleep(1)
    finally:
        cluster.start()
    assert tenant.finished(pipeline, reply.execution_id)["status"] == "Succeeded"
    # What ended while the store was away is recorded late, and not done again.
    assert notes.read_text().split() == ["begun", "ended", "next"]


def test_credentials_are_kept_for_their_owner_only(server: Server) -> None:
    for file in (server.data / "master.key", *map(Path, server.profile().values())):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    secret = server.key()[1].encode()
    kept = b"".join(file.read_bytes() for file in server.data.glob("hookline.db*"))
    assert secret not in kept


def test_w6_credentials_create_list_and_delete(server: Server, github: Path) -> None:
    made = server.hookline("credentials", "create", "--account", "210987654321")
    assert made.returncode == 0
    fields = dict(line.split() for line in made.stdout.splitlines())
    key = fields["aws_access_key_id"], fields["aws_secret_access_key"]
    mine, other = Tenant(server, github), server.client("us-east-1", key)
    same_region = server.client(mine.region, key)
    pipeline = mine.idle_pipeline()
    mine.webhook(pipeline)
    assert same_region.list_webhooks()["webhooks"] == []
    assert same_region.list_pipelines()["pipelines"] == []
    assert other.list_webhooks()["webhooks"] == []
    with pytest.raises(
        same_region.exceptions.PipelineNotFoundException,
        match=f"Account '210987654321' does not have a pipeline with name '{pipeline}'",
    ):
        same_region.get_pipeline(name=pipeline)
    listed = server.hookline("credentials", "list", "--account", "210987654321").stdout
    assert key[0] in listed
    assert key[1] not in listed
    assert server.key()[0] not in listed
    assert server.key()[0] in server.hookline("credentials", "list").stdout
    wrong = server.hookline("credentials", "delete", key[0], "--account", "000000000000")
    assert wrong.returncode == 2
    assert same_region.list_webhooks()["webhooks"] == []
    assert server.hookline("credentials", "delete", key[0]).returncode == 0
    with pytest.raises(botocore.exceptions.ClientError, match="UnrecognizedClientException"):
        same_region.list_webhooks()
    again = server.hookline("credentials", "delete", key[0])
    assert again.returncode == 2
    assert again.stderr.startswith(f"hookline: There is no access key {key[0]}")


def test_an_account_that_is_none_is_refused(server: Server) -> None:
    done = server.hookline("credentials", "create", "--account", "12")
    assert done.returncode != 0
    assert "12 digits" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_shows_each_with_its_source_and_masks_secrets(make_server: MakeServer) -> None:
    server = make_server(master_key="hidden-key", database_url="postgresql://u:hidden@h/d")
    done = server.hookline("settings")
    assert done.returncode == 0
    assert "hidden" not in done.stdout
    rows = {line.split()[1]: line for line in done.stdout.splitlines() if "HOOKLINE_" in line}
    assert "****" in rows["master_key"]
    assert "****" in rows["database_url"]
    assert str(server.data)[:20] in rows["data_dir"]


def test_commands_without_a_data_folder_say_so(make_server: MakeServer) -> None:
    done = make_server().hookline("credentials", "list")
    assert done.returncode == 2
    assert "Start `hookline serve` once" in done.stderr


def test_serve_is_found_as_a_program_and_has_help() -> None:
    text = subprocess.check_output([PROGRAM, "serve", "--help"], env=os.environ, text=True)
    assert "--port" in text
