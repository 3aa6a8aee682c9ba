"""`hookline deliveries` and `hookline logs`, beside a real server."""

import itertools
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.command_line import PROGRAM
from support.sending import push_event, send, signature, signed
from support.server import Server, until
from support.tenant import SECRET, Tenant, commands

MAIN = [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}]


def lines(tenant: Tenant, *arguments: str) -> list[dict[str, Any]]:
    """What `deliveries list --json` tells of a tenant."""
    done = tenant.server.hookline(
        "deliveries", "list", "--region", tenant.region, "--json", *arguments
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def shown(tenant: Tenant, delivery_id: str) -> str:
    """What `deliveries show` tells, with single spaces."""
    done = tenant.server.hookline("deliveries", "show", delivery_id)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def recorded(tenant: Tenant, *delivery_ids: str) -> None:
    for delivery_id in delivery_ids:
        tenant.server.delivery(delivery_id)


@pytest.fixture
def webhook(tenant: Tenant) -> Any:
    return tenant.webhook(tenant.idle_pipeline(), filters=MAIN)


def test_t14_list_tells_each_verdict_the_newest_last(tenant: Tenant, webhook: Any) -> None:
    started = tenant.push(webhook)
    duplicate = tenant.push(webhook)
    filtered = tenant.push(webhook, push_event(branch="other"))
    body = b"{}"
    ping = send(webhook["url"], body, signed(SECRET, body, "ping"))
    refused = send(webhook["url"], body, signed("wrong", body))
    ids = [reply.delivery_id for reply in (started, duplicate, filtered, ping, refused)]
    recorded(tenant, *ids)
    done = tenant.server.hookline("deliveries", "list", "--region", tenant.region)
    heading, *rows = done.stdout.splitlines()
    assert " ".join(heading.split()) == "time delivery webhook event verdict why execution"
    name = webhook["definition"]["name"]
    assert [row.split()[1:5] for row in rows] == [
        [ids[0], name, "push", "started"],
        [ids[1], name, "push", "duplicate"],
        [ids[2], name, "push", "filtered"],
        [ids[3], name, "ping", "ping"],
        [ids[4], name, "push", "refused"],
    ]
    assert "$.ref is refs/heads/other, not refs/heads/main" in rows[2]
    assert rows[0].split()[-1] == rows[1].split()[-1] == started.execution_id
    for verdict, wanted in (
        ("started", ids[:1]),
        ("refused", ids[4:]),
        ("bad_signature", ids[4:]),
        ("no-signature", []),
    ):
        assert [item["id"] for item in lines(tenant, "--verdict", verdict)] == wanted
    assert [item["id"] for item in lines(tenant, "--event", "ping")] == [ids[3]]
    assert [item["id"] for item in lines(tenant, "--limit", "2")] == ids[3:]
    assert [item["id"] for item in lines(tenant, "--since", "5m")] == ids
    assert lines(tenant, "--until", "5m") == []
    middle = lines(tenant)[2]["receivedAt"]
    assert ids[2] not in [item["id"] for item in lines(tenant, "--until", middle)]


def test_a_limit_that_hides_older_ones_says_so(tenant: Tenant, webhook: Any) -> None:
    recorded(tenant, *(tenant.push(webhook, push_event(c * 40)).delivery_id for c in "abc"))
    whole = tenant.server.hookline("deliveries", "list", "--region", tenant.region, "--limit", "3")
    assert "--limit" not in whole.stdout
    cut = tenant.server.hookline("deliveries", "list", "--region", tenant.region, "--limit", "2")
    assert cut.stdout.splitlines()[-1] == "These are the newest 2; --limit shows more."


def test_a_narrow_terminal_gets_whole_ids_on_lines_of_their_own(
    tenant: Tenant, webhook: Any
) -> None:
    reply = tenant.push(webhook)
    recorded(tenant, reply.delivery_id)
    done = subprocess.run(
        [PROGRAM, "deliveries", "list", "--region", tenant.region],
        env={**tenant.server.environment, "TTY_COMPATIBLE": "1", "COLUMNS": "60", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    head, *details = [line.strip() for line in done.stdout.splitlines()]
    assert head.split()[1:] == ["started", "push", webhook["definition"]["name"]]
    assert details == [
        f"delivery  {reply.delivery_id}",
        "$.ref is refs/heads/main",
        f"execution {reply.execution_id}",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--verdict", "lost"], "There is no verdict lost"),
        (["--since", "yesterday"], "yesterday is no time"),
        (["--webhook", "nobody"], "There is no webhook nobody"),
        (["--follow", "--until", "1h"], "--follow goes on"),
    ],
)
def test_a_condition_that_cant_be_is_one_line(
    server: Server, arguments: list[str], message: str
) -> None:
    done = server.hookline("deliveries", "list", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hookline: {message}")
    assert len(done.stderr.splitlines()) == 1


def test_w6_an_ambiguous_name_asks_for_the_region(server: Server, github: Path) -> None:
    tenants = [Tenant(server, github), Tenant(server, github)]
    for tenant in tenants:
        made = tenant.webhook(tenant.idle_pipeline(), name="same-name")
        recorded(tenant, tenant.push(made).delivery_id)
    done = server.hookline("deliveries", "list", "--webhook", "same-name")
    assert done.returncode == 2
    assert "There are 2 webhooks same-name" in done.stderr
    [item] = lines(tenants[1], "--webhook", "same-name")
    assert item["webhookArn"].split(":")[3] == tenants[1].region


def test_nothing_of_a_sender_reaches_the_terminal_raw(tenant: Tenant) -> None:
    webhook = tenant.webhook(
        tenant.idle_pipeline(), filters=[{"jsonPath": "$.ref", "matchEquals": "x"}]
    )
    event = {"ref": "\x1b]0;owned\x07[red]\u009b31m\u202e"}
    reply = tenant.push(webhook, event, **{"X-Trick": "\x9b2J[bold]"})
    recorded(tenant, reply.delivery_id)
    texts = [
        tenant.server.hookline("deliveries", "list", "--region", tenant.region).stdout,
        tenant.server.hookline("deliveries", "list", "--region", tenant.region, "--json").stdout,
        tenant.server.hookline("deliveries", "show", reply.delivery_id).stdout,
    ]
    for text in texts:
        assert not [item for item in text if not item.isprintable() and item != "\n"]
    assert r"\x1b]0;owned\x07[red]\x9b31m\u202e" in texts[0]
    assert r"\x1b]0;owned\x07[red]\x9b31m\u202e" in texts[2]
    assert r"\x9b2J[bold]" in texts[2]


def test_t14_show_tells_the_request_the_trace_and_the_outcome(tenant: Tenant, webhook: Any) -> None:
    reply = tenant.push(webhook, **{"X-GitHub-Delivery": "guid-1"})
    recorded(tenant, reply.delivery_id)
    tenant.finished(webhook["definition"]["targetPipeline"], reply.execution_id)
    done = tenant.server.hookline("deliveries", "show", reply.delivery_id)
    assert done.returncode == 0, done.stderr
    told = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    for expected in (
        ["Delivery", reply.delivery_id],
        ["webhook", webhook["arn"]],
        ["event", "push"],
        ["from", "127.0.0.1"],
        ["Verdict", "started"],
        ["execution", reply.execution_id],
        ["Authentication", "GITHUB_HMAC, passed"],
        ["✓", "$.ref"],
        ["found", "refs/heads/main"],
        ["wanted", "refs/heads/main"],
        ["x-hub-signature-256:", "****"],
        ["x-github-delivery:", "guid-1"],
    ):
        assert expected in told
    assert "sender's id guid-1" in shown(tenant, reply.delivery_id)
    assert "its status Failed" in shown(tenant, reply.delivery_id)
    body = json.dumps(push_event()).encode()
    assert signature(SECRET, body).partition("=")[2] not in done.stdout


def test_t14_show_says_why_a_filter_did_not_pass(tenant: Tenant, webhook: Any) -> None:
    reply = tenant.push(webhook, {"after": "1"})
    recorded(tenant, reply.delivery_id)
    told = shown(tenant, reply.delivery_id)
    assert "✗ $.ref found nothing wanted refs/heads/main why not `$.ref` is missing" in told


@pytest.mark.parametrize("command", ["show", "payload", "redeliver"])
def test_an_unknown_id_is_an_error(server: Server, command: str) -> None:
    done = server.hookline("deliveries", command, "0190")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hookline: There is no delivery 0190")


def test_t8_payload_is_byte_for_byte(tenant: Tenant, webhook: Any) -> None:
    body = b'{ "ref":\r\n"refs/heads/main\\u0000",  "x": "\xc3\xa4" }\n\n'
    reply = send(webhook["url"], body, signed(SECRET, body))
    recorded(tenant, reply.delivery_id)
    done = subprocess.run(
        [PROGRAM, "deliveries", "payload", reply.delivery_id],
        env=tenant.server.environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == body


def test_t14_a_refused_body_was_not_kept(tenant: Tenant, webhook: Any) -> None:
    refused = send(webhook["url"], b"{}", signed("wrong", b"{}"))
    recorded(tenant, refused.delivery_id)
    for command in ("payload", "redeliver"):
        done = tenant.server.hookline("deliveries", command, refused.delivery_id)
        assert (done.returncode, done.stdout) == (2, "")
        assert "was not kept, since it was refused" in done.stderr


def test_redeliver_starts_again_what_was_started(tenant: Tenant, webhook: Any) -> None:
    first = tenant.push(webhook)
    recorded(tenant, first.delivery_id)
    done = tenant.server.hookline("deliveries", "redeliver", first.delivery_id)
    assert done.returncode == 0, done.stderr
    [old, new] = lines(tenant)
    assert (new["outcome"], new["redeliveryOf"]) == ("started", first.delivery_id)
    assert new["pipelineExecutionId"] != first.execution_id
    assert new["id"] in done.stdout
    assert new["pipelineExecutionId"] in done.stdout
    pipeline = webhook["definition"]["targetPipeline"]
    execution = tenant.finished(pipeline, new["pipelineExecutionId"])
    assert execution["trigger"]["triggerDetail"] == webhook["arn"]
    assert f"redelivered {new['id']}" in shown(tenant, old["id"])
    assert f"redelivery of {old['id']}" in shown(tenant, new["id"])
    assert "GITHUB_HMAC, passed when it first came" in shown(tenant, new["id"])


def test_t6_redeliver_judges_by_the_definition_of_today(tenant: Tenant, webhook: Any) -> None:
    replies = [tenant.push(webhook, push_event(c * 40, branch="next")) for c in "ab"]
    refused = send(webhook["url"], b"{}", signed("wrong", b"{}"))
    recorded(tenant, refused.delivery_id, *(reply.delivery_id for reply in replies))
    assert {reply.outcome for reply in replies} == {"filtered"}
    definition = webhook["definition"] | {
        "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/next"}],
        "authenticationConfiguration": {"SecretToken": SECRET},
    }
    tenant.client.put_webhook(webhook=definition)
    where = f"webhook={definition['name']} since=1h"
    asked = tenant.server.hookline("deliveries", "redeliver", "--where", where)
    assert asked.returncode == 1
    assert "2 deliveries to redeliver; 1 more left out" in asked.stdout
    assert len(lines(tenant)) == 3
    done = tenant.server.hookline(
        "deliveries", "redeliver", "--yes", "--where", f"{where} verdict=filtered"
    )
    assert done.returncode == 0, done.stderr
    new = lines(tenant)[3:]
    assert [(item["outcome"], item["redeliveryOf"]) for item in new] == [
        ("started", reply.delivery_id) for reply in replies
    ]


@pytest.mark.parametrize(
    "where", ["", "verdict", "webhook=a webhook=b", "name=x", "since=never", "verdict='"]
)
def test_a_condition_of_redeliver_is_checked(server: Server, where: str) -> None:
    done = server.hookline("deliveries", "redeliver", "--yes", "--where", where)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_redeliver_needs_ids_or_a_condition(server: Server) -> None:
    for arguments in ([], ["id", "--where", "event=push"]):
        done = server.hookline("deliveries", "redeliver", *arguments)
        assert done.returncode == 2
        assert "Give the ids of deliveries, or --where" in done.stderr


def test_of_several_each_that_can_be_is_redelivered(tenant: Tenant, webhook: Any) -> None:
    good = tenant.push(webhook).delivery_id
    bad = send(webhook["url"], b"{}", signed("wrong", b"{}")).delivery_id
    recorded(tenant, good, bad)
    done = tenant.server.hookline("deliveries", "redeliver", "--yes", bad, good)
    assert done.returncode == 2
    assert "1 of 2 were not redelivered" in done.stderr
    assert [item["redeliveryOf"] for item in lines(tenant)] == [None, None, good]


def test_a_deleted_webhook_redelivers_nothing(tenant: Tenant, webhook: Any) -> None:
    reply = tenant.push(webhook)
    recorded(tenant, reply.delivery_id)
    tenant.client.delete_webhook(name=webhook["definition"]["name"])
    done = tenant.server.hookline("deliveries", "redeliver", reply.delivery_id)
    assert done.returncode == 2
    assert "was deleted" in done.stderr
    assert "webhook (deleted)" in shown(tenant, reply.delivery_id)


def test_redeliver_needs_no_server(
    make_server: Callable[..., Server], database_url: str, github: Path
) -> None:
    server = make_server(database_url=database_url).start()
    tenant = Tenant(server, github)
    webhook = tenant.webhook(tenant.idle_pipeline())
    first = tenant.push(webhook)
    recorded(tenant, first.delivery_id)
    server.stop()
    done = server.hookline("deliveries", "redeliver", first.delivery_id)
    assert done.returncode == 0, done.stderr
    execution_id = done.stdout.split()[-1]
    told = lines(
        tenant, "--since", "1h", "--until", "0s", "--event", "push", "--verdict", "started"
    )
    assert [item["redeliveryOf"] for item in told] == [None, first.delivery_id]
    where = f"region={tenant.region} verdict=started"
    asked = server.hookline("deliveries", "redeliver", "--where", where)
    assert "2 deliveries to redeliver\n" in asked.stdout
    assert f"redelivered {told[1]['id']}" in shown(tenant, first.delivery_id)
    server.start()
    tenant = Tenant(server, github, tenant.region)
    assert tenant.finished(webhook["definition"]["targetPipeline"], execution_id)


def test_follow_prints_new_deliveries_until_ctrl_c(
    tenant: Tenant, webhook: Any, tmp_path: Path
) -> None:
    earlier = [tenant.push(webhook, push_event(c * 40)).delivery_id for c in "ab"]
    recorded(tenant, *earlier)
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [PROGRAM, "deliveries", "list", "--follow", "--limit", "1", "--region", tenant.region],
            env=tenant.server.environment,
            stdout=file,
            stderr=file,
        )
        try:
            assert until(lambda: earlier[1] in output.read_text())
            filtered = tenant.push(webhook, push_event(branch="other")).delivery_id
            assert until(lambda: filtered in output.read_text(), 5)
            refused = send(webhook["url"], b"{}", signed("wrong", b"{}")).delivery_id
            assert until(lambda: refused in output.read_text(), 5)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
    ids = [line.split()[1] for line in output.read_text().splitlines()]
    assert ids == [earlier[1], filtered, refused]


def test_logs_print_each_action_under_its_heading(tenant: Tenant) -> None:
    pipeline = tenant.pipeline(
        (
            "Build",
            commands("Make", "printf 'one\\ttab \\033[31mred\\n'"),
            commands("Break", "echo going down", "exit 3", runOrder=2),
        )
    )
    reply = tenant.push(tenant.webhook(pipeline), push_event(tenant.repository.commit()))
    assert tenant.finished(pipeline, reply.execution_id)["status"] == "Failed"
    done = tenant.server.hookline("logs", reply.execution_id)
    assert done.returncode == 0, done.stderr
    headings = [line for line in done.stdout.splitlines() if line.startswith("==>")]
    assert headings == [
        "==> Source / App: Succeeded <==",
        "==> Build / Make: Succeeded <==",
        "==> Build / Break: Failed <==",
    ]
    assert "one\ttab \\x1b[31mred" in done.stdout
    assert "going down" in done.stdout.partition("Build / Break")[2]
    assert "JobFailed: " in done.stdout
    only = tenant.server.hookline("logs", reply.execution_id, "--action", "Make").stdout
    assert "going down" not in only
    assert "one\ttab" in only
    wrong = tenant.server.hookline("logs", reply.execution_id, "--action", "Nobody")
    assert wrong.returncode == 2
    assert "begun: App, Make, Break" in wrong.stderr
    unknown = tenant.server.hookline("logs", "nothing")
    assert unknown.returncode == 2
    assert "There is no execution nothing" in unknown.stderr


def test_logs_show_what_runs_and_follow_it_to_its_end(tenant: Tenant, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting = commands("Wait", "echo early", f"until [ -e {gate} ]; do sleep 0.05; done", "exit 3")
    pipeline = tenant.pipeline(("Build", commands("Make", "echo made"), waiting))
    reply = tenant.push(tenant.webhook(pipeline), push_event(tenant.repository.commit()))

    def shown(*options: str) -> str:
        return tenant.server.hookline("logs", reply.execution_id, *options).stdout

    assert until(lambda: "\nearly\n" in shown("--action", "Wait"))
    assert "Build / Wait: InProgress" in shown()
    with subprocess.Popen(
        [PROGRAM, "logs", "--follow", reply.execution_id],
        env=tenant.server.environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        lines = iter(following.stdout.readline, "")
        begun = list(itertools.takewhile(lambda line: line != "early\n", lines))
        assert "==> Build / Wait: InProgress <==\n" in begun
        gate.touch()
        rest = list(lines)
    assert following.returncode == 0
    assert 'Command "exit 3" exited with status 3\n' in rest
    assert 'JobFailed: Command "exit 3" exited with status 3\n' in rest
    assert "made\n" in [*begun, *rest]
    # Of what has ended, following shows the same.
    assert shown("-f") == shown()
    assert tenant.finished(pipeline, reply.execution_id)["status"] == "Failed"
