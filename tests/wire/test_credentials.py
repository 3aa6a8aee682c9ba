"""Access keys of a running server: several, read-only, disabled, rotated, last used."""

import configparser
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.server import Server, until
from support.tenant import Tenant


class Keys:
    """`hookline credentials` beside a server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def run(self, *arguments: str) -> str:
        done = self.server.hookline("credentials", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self, *options: str) -> tuple[str, str]:
        return made(self.run("create", *options))

    def row(self, access_key_id: str) -> str:
        [row] = [line for line in self.run("list").splitlines() if access_key_id in line]
        return row


@pytest.fixture
def own(server: Server) -> Keys:
    return Keys(server)


def made(output: str) -> tuple[str, str]:
    fields = dict(line.split() for line in output.splitlines())
    return fields["aws_access_key_id"], fields["aws_secret_access_key"]


def code(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def test_w6_several_keys_of_an_account_see_the_same(own: Keys, tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    one, other = own.create(), own.create("--description", "of [bold]CI[/bold]")
    for key in (one, other):
        client = own.server.client(tenant.region, key)
        assert [item["name"] for item in client.list_pipelines()["pipelines"]] == [name]
    assert "of [bold]CI[/bold]" in own.row(other[0])
    assert one[1] not in own.run("list")


def test_w5_a_disabled_key_is_refused_until_it_is_enabled(own: Keys) -> None:
    key = own.create()
    client = own.server.client("us-east-1", key)
    client.list_webhooks()
    assert own.run("disable", key[0]) == f"Disabled {key[0]}\n"
    assert code(client.list_webhooks) == "UnrecognizedClientException"
    assert "disabled" in own.row(key[0])
    assert own.run("enable", key[0]) == f"Enabled {key[0]}\n"
    client.list_webhooks()


def test_w4_a_read_only_key_reads_and_changes_nothing(own: Keys, tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    key = own.create("--read-only")
    client = own.server.client(tenant.region, key)
    assert client.get_pipeline(name=name)["pipeline"]["name"] == name
    assert client.list_webhooks()["webhooks"] == []
    for call, parameters in (
        (client.delete_pipeline, {"name": name}),
        (client.start_pipeline_execution, {"name": name}),
        (client.get_job_details, {"jobId": "01234567-89ab-7def-8123-456789abcdef"}),
    ):
        assert code(call, **parameters) == "AccessDeniedException"
    with pytest.raises(ClientError) as caught:
        client.delete_webhook(name="any")
    assert caught.value.response["Error"]["Message"] == (
        f"User: arn:aws:iam::000000000000:user/{key[0]} is not authorized to perform: "
        "codepipeline:DeleteWebhook because its access key is read-only"
    )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert re.search(r"enabled\s.*read\s", own.row(key[0]))
    assert tenant.executions(name) == []


def test_w5_a_session_may_do_what_its_key_may_until_that_is_disabled(
    own: Keys, tenant: Tenant
) -> None:
    key = own.create("--read-only")
    fields = dict(line.split() for line in own.run("session", key[0]).splitlines())
    client = own.server.client(
        tenant.region,
        (fields["aws_access_key_id"], fields["aws_secret_access_key"], fields["aws_session_token"]),
    )
    assert client.list_pipelines()["pipelines"] == []
    assert code(client.delete_webhook, name="any") == "AccessDeniedException"
    assert until(lambda: "never" not in own.row(key[0]))
    own.run("disable", key[0])
    assert code(client.list_pipelines) == "UnrecognizedClientException"
    refused = own.server.hookline("credentials", "session", key[0])
    assert (refused.returncode, "is disabled" in refused.stderr) == (2, True)


def test_w5_a_session_token_of_nobody_is_refused_with_what_to_do(own: Keys) -> None:
    client = own.server.client(key=(*own.server.key(), "token-of-another-server"))
    with pytest.raises(ClientError, match="hookline credentials session") as caught:
        client.list_pipelines()
    assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_x4_a_read_only_key_sees_urls_without_their_tokens(own: Keys, tenant: Tenant) -> None:
    webhook = tenant.webhook(tenant.idle_pipeline())
    client = own.server.client(tenant.region, own.create("--read-only"))
    [seen] = client.list_webhooks()["webhooks"]
    assert seen["url"] == f"{webhook['url'].partition('=')[0]}=****&v=1"
    assert {**seen, "url": webhook["url"]} == webhook
    [whole] = tenant.client.list_webhooks()["webhooks"]
    assert whole["url"] == webhook["url"]


def test_w5_rotate_makes_a_key_alike_and_disables_the_old_one(own: Keys) -> None:
    old = own.create("--read-only", "--account", "210987654321", "--description", "dashboard")
    new = made(own.run("rotate", old[0]))
    assert code(own.server.client("us-east-1", old).list_webhooks) == "UnrecognizedClientException"
    client = own.server.client("us-east-1", new)
    client.list_webhooks()
    assert code(client.delete_webhook, name="any") == "AccessDeniedException"
    assert "dashboard" in own.row(new[0])
    assert "210987654321" in own.row(new[0])
    newer = made(own.run("rotate", "--keep", new[0]))
    for key in (new, newer):
        own.server.client("us-east-1", key).list_webhooks()


def test_w5_last_used_is_told_soon_after_the_call(own: Keys) -> None:
    key = own.create()
    assert "never" in own.row(key[0])
    own.server.client("us-east-1", key).list_webhooks()
    assert until(lambda: "never" not in own.row(key[0]), 10)


def test_w5_a_rotated_key_of_the_profile_is_replaced_there_and_stays(
    make_server: Any,
) -> None:
    server = make_server().start()
    old = server.key()
    new = made(server.hookline("credentials", "rotate", old[0]).stdout)
    assert server.key() == new
    server.client().list_webhooks()
    config = configparser.ConfigParser()
    config.read(server.profile()["AWS_CONFIG_FILE"])
    assert config["default"]["endpoint_url"] == server.url
    server.stop()
    server.start()
    assert server.key() == new
    server.client().list_webhooks()


def test_what_cannot_be_done_is_one_line(server: Server) -> None:
    for arguments in (
        ("disable", "AKIAABSENT"),
        ("enable", "AKIAABSENT"),
        ("rotate", "AKIAABSENT"),
        ("rotate", server.key()[0], "--account", "210987654321"),
        ("create", "--description", "a\nb"),
        ("create", "--description", "x" * 201),
    ):
        done = server.hookline("credentials", *arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith("hookline: ")
        assert len(done.stderr.splitlines()) == 1
    server.client().list_webhooks()
