"""Registration with GitHub, against its own API description (contract R1-R6, P11, D4)."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from support.github_api import Answer, DrippingServer, GitHubApi
from support.postgres import Cluster
from support.prism import Prism
from support.server import Server, until
from support.tenant import SECRET, Tenant, action_type, source

FAILED = "Webhook could not be registered with GitHub. Error cause: "
# The one hook id that GitHub's description has in its examples.
HOOK = 12345678


@pytest.fixture(scope="module")
def running_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHubApi]:
    with Prism(tmp_path_factory.mktemp("prism")) as prism, GitHubApi(prism.port) as api:
        yield api


@pytest.fixture
def api(running_api: GitHubApi) -> Iterator[GitHubApi]:
    running_api.forget()
    yield running_api
    assert running_api.answers == [], "GitHub was asked less than was foreseen"


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, github: Path, running_api: GitHubApi
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("registering")
    with Server(folder, github_url=github.as_uri(), github_api_url=running_api.url) as server:
        yield server


def hook_of(tenant: Tenant, **definition: Any) -> Any:
    """A webhook on a pipeline of acme/app."""
    return tenant.webhook(tenant.pipeline(source_action=source()), **definition)


def name_of(webhook: Any) -> str:
    return str(webhook["definition"]["name"])


def register(tenant: Tenant, webhook: Any) -> Any:
    return tenant.client.register_webhook_with_third_party(webhookName=name_of(webhook))


def deregister(tenant: Tenant, webhook: Any) -> Any:
    return tenant.client.deregister_webhook_with_third_party(webhookName=name_of(webhook))


def listed(tenant: Tenant, webhook: Any) -> Any:
    (found,) = (
        item for item in tenant.client.list_webhooks()["webhooks"] if item["arn"] == webhook["arn"]
    )
    return found


def refusal(tenant: Tenant, call: Callable[[], object]) -> str:
    with pytest.raises(tenant.client.exceptions.ValidationException) as caught:
        call()
    return str(caught.value.response["Error"]["Message"])


def retarget(tenant: Tenant, webhook: Any, source_action: Any) -> None:
    """Give the webhook's pipeline another source."""
    name = webhook["definition"]["targetPipeline"]
    declared = tenant.client.get_pipeline(name=name)["pipeline"]
    declared["stages"][0]["actions"] = [source_action]
    tenant.client.update_pipeline(pipeline=declared)


def test_r1_registering_makes_the_hook(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant, filters=[{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}])
    answer = register(tenant, webhook)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    (asked,) = api.asked
    assert (asked.method, asked.path, asked.status) == ("POST", "/repos/acme/app/hooks", 201)
    assert asked.body == {
        "name": "web",
        "active": True,
        "events": ["push"],
        "config": {
            "url": webhook["url"],
            "content_type": "json",
            "secret": SECRET,
            "insecure_ssl": "0",
        },
    }
    assert asked.headers["authorization"] == "token gh-token"
    assert not {"errorCode", "errorMessage"} & listed(tenant, webhook).keys()


def test_r1_the_events_are_those_that_the_filters_imply(tenant: Tenant, api: GitHubApi) -> None:
    register(tenant, hook_of(tenant, filters=[{"jsonPath": "$.pull_request.merged"}]))
    register(tenant, hook_of(tenant, filters=[{"jsonPath": "$.action", "matchEquals": "released"}]))
    assert [asked.body["events"] for asked in api.asked] == [["pull_request"], ["release"]]


def test_r2_registering_twice_updates_the_one_hook(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    register(tenant, webhook)
    assert api.lines == ["POST /repos/acme/app/hooks", f"PATCH /repos/acme/app/hooks/{HOOK}"]
    assert api.asked[1].status == 200
    assert api.asked[1].body == api.asked[0].body


def test_r2_a_hook_that_exists_is_adopted(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    exists = {"resource": "Hook", "message": "Hook already exists on this repository"}
    api.answers += [
        Answer(422, {"message": "Validation Failed", "errors": [exists]}),
        Answer(
            200, [{"id": 5, "config": {"url": "x"}}, {"id": 6, "config": {"url": webhook["url"]}}]
        ),
    ]
    register(tenant, webhook)
    register(tenant, webhook)
    assert api.lines[2:] == ["PATCH /repos/acme/app/hooks/6"] * 2
    assert api.asked[2].body["config"]["secret"] == SECRET
    assert api.asked[2].status == 200


def test_r2_a_hook_that_was_removed_at_github_is_made_anew(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    api.answers += [Answer(201, {"id": 7}), Answer(404, {"message": "Not Found"})]
    register(tenant, webhook)
    register(tenant, webhook)
    deregister(tenant, webhook)
    assert api.lines[1:] == [
        "PATCH /repos/acme/app/hooks/7",
        "POST /repos/acme/app/hooks",
        f"DELETE /repos/acme/app/hooks/{HOOK}",
    ]


def test_r2_a_moved_target_takes_its_hook_along(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    api.answers += [Answer(201, {"id": 7})]
    register(tenant, webhook)
    retarget(tenant, webhook, source("acme", "other"))
    register(tenant, webhook)
    assert api.lines[1:] == ["POST /repos/acme/other/hooks", "DELETE /repos/acme/app/hooks/7"]


def test_r2_a_renamed_repository_keeps_its_hook(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    retarget(tenant, webhook, source("Acme", "App"))
    register(tenant, webhook)
    retarget(tenant, webhook, source("acme", "renamed"))
    register(tenant, webhook)
    assert api.lines[1:] == [
        f"PATCH /repos/Acme/App/hooks/{HOOK}",
        "POST /repos/acme/renamed/hooks",
    ]


@pytest.mark.parametrize(
    ("status", "cause"),
    [(401, "Invalid credentials"), (404, "Not found"), (422, "Validation failed")],
)
def test_r3_a_refusal_is_told_as_aws_tells_it_until_it_works(
    tenant: Tenant, api: GitHubApi, status: int, cause: str
) -> None:
    webhook = hook_of(tenant)
    body = {"message": "No", "documentation_url": "https://docs.github.com/rest"}
    api.answers += [Answer(status, body)]
    message = refusal(tenant, lambda: register(tenant, webhook))
    assert message == f"{FAILED}{cause} [StatusCode: {status}, Body: {json.dumps(body)}]"
    found = listed(tenant, webhook)
    assert (found["errorCode"], found["errorMessage"]) == (str(status), message)
    assert tenant.push(webhook).status == 200
    again = tenant.client.put_webhook(webhook=webhook["definition"])["webhook"]
    assert again["errorMessage"] == message
    register(tenant, webhook)
    assert not {"errorCode", "errorMessage"} & listed(tenant, webhook).keys()


def test_r3_no_secret_is_in_a_message_or_the_log(
    tenant: Tenant, api: GitHubApi, server: Server
) -> None:
    webhook = hook_of(tenant)
    token = webhook["url"].partition("t=")[2].partition("&")[0]
    api.answers += [Answer(400, {"was": ["gh-token", SECRET, webhook["url"]]})]
    message = refusal(tenant, lambda: register(tenant, webhook))
    assert '{"was": ["****", "****", "http' in message
    for secret in ("gh-token", SECRET, token):
        assert secret not in message
        assert secret not in server.output


@pytest.mark.parametrize(
    "passing",
    [
        Answer(500, b"oops"),
        Answer(502, b""),
        Answer(429, {"message": "Slow down"}, {"Retry-After": "1"}),
        Answer(403, {"message": "You have exceeded a secondary rate limit"}, {"Retry-After": "1"}),
    ],
)
def test_r3_what_passes_is_tried_again(tenant: Tenant, api: GitHubApi, passing: Answer) -> None:
    api.answers += [passing]
    register(tenant, hook_of(tenant))
    asked = [(asked.method, asked.status) for asked in api.asked]
    # Prism's first page of hooks is every page, so all that may be looked at are.
    assert asked == [("POST", passing.status), *[("GET", 200)] * 10, ("POST", 201)]


def test_r2_a_hook_made_by_a_call_that_failed_is_found(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    api.answers += [Answer(502), Answer(200, [{"id": 9, "config": {"url": webhook["url"]}}])]
    register(tenant, webhook)
    assert api.lines == [
        "POST /repos/acme/app/hooks",
        "GET /repos/acme/app/hooks?page=1&per_page=100",
        "PATCH /repos/acme/app/hooks/9",
    ]


def test_r3_a_wait_that_is_too_long_is_not_waited(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    api.answers += [Answer(429, {}, {"Retry-After": "3600"})]
    message = refusal(tenant, lambda: register(tenant, webhook))
    assert message == f"{FAILED}Rate limit exceeded [StatusCode: 429, Body: {{}}]"
    assert len(api.asked) == 1


def test_r3_github_that_does_not_answer_is_an_error_of_the_webhook(
    make_server: Callable[..., Server], github: Path
) -> None:
    tenant = Tenant(make_server(github_api_url="http://127.0.0.1:1").start(), github)
    webhook = hook_of(tenant)
    message = refusal(tenant, lambda: register(tenant, webhook))
    assert message == f"{FAILED}No answer from 127.0.0.1:1 (ConnectionError)"
    found = listed(tenant, webhook)
    assert (found["errorCode"], found["errorMessage"]) == ("0", message)


def test_r3_github_that_drips_holds_no_other_operation(
    make_server: Callable[..., Server], github: Path
) -> None:
    with DrippingServer(b"HTTP/1.1 201 Created\r\nX: ", pause=2.0) as api:
        tenant = Tenant(make_server(github_api_url=f"http://127.0.0.1:{api.port}").start(), github)
        webhook = hook_of(tenant)
        messages: list[str] = []
        # More than a worker has threads.
        callers = [
            threading.Thread(
                target=lambda: messages.append(refusal(tenant, lambda: register(tenant, webhook)))
            )
            for _ in range(45)
        ]
        for caller in callers:
            caller.start()
        assert until(lambda: api.callers)
        started = time.monotonic()
        listed(tenant, webhook)
        assert time.monotonic() - started < 5
        assert until(lambda: messages, 30)
        assert time.monotonic() - started < 30
        found = listed(tenant, webhook)
    # The rest is refused at once: nobody drips any more.
    for caller in callers:
        caller.join()
    assert found["errorCode"] == "0"
    assert "No answer from 127.0.0.1" in found["errorMessage"]
    assert {message.startswith(FAILED) for message in messages} == {True}
    assert len(messages) == len(callers)


def test_r4_an_unknown_webhook_is_not_found(tenant: Tenant, api: GitHubApi) -> None:
    client = tenant.client
    for call in (
        client.register_webhook_with_third_party,
        client.deregister_webhook_with_third_party,
    ):
        with pytest.raises(client.exceptions.WebhookNotFoundException, match="absent"):
            call(webhookName="absent")
        assert "webhookName" in refusal(tenant, call)
    assert api.asked == []


def test_r4_a_target_that_is_not_github_is_refused(tenant: Tenant, api: GitHubApi) -> None:
    connection = {
        "name": "App",
        "actionTypeId": action_type("Source", "AWS", "CodeStarSourceConnection"),
        "configuration": {
            "ConnectionArn": "arn:aws:codestar-connections:us-east-1:000000000000:connection/x",
            "FullRepositoryId": "acme/app",
            "BranchName": "main",
        },
        "outputArtifacts": [{"name": "Code"}],
    }
    webhook = tenant.webhook(tenant.pipeline(source_action=connection))
    assert "ThirdParty" in refusal(tenant, lambda: register(tenant, webhook))
    assert "errorCode" not in listed(tenant, webhook)
    assert api.asked == []


def test_r4_a_webhook_without_a_secret_is_refused(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant, authentication="UNAUTHENTICATED", authenticationConfiguration={})
    assert "GITHUB_HMAC" in refusal(tenant, lambda: register(tenant, webhook))
    assert api.asked == []


def test_r5_deregistering_removes_the_hook(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    deregister(tenant, webhook)
    assert (api.lines[1], api.asked[1].status) == (f"DELETE /repos/acme/app/hooks/{HOOK}", 204)
    deregister(tenant, webhook)
    assert len(api.asked) == 2
    register(tenant, webhook)
    assert api.lines[2:] == ["POST /repos/acme/app/hooks"]


def test_r5_a_hook_that_is_gone_or_never_was_is_success(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    deregister(tenant, webhook)
    assert api.asked == []
    register(tenant, webhook)
    api.answers += [Answer(404, {"message": "Not Found"})]
    deregister(tenant, webhook)
    deregister(tenant, webhook)
    assert len(api.asked) == 2


def test_r5_a_hook_that_github_does_not_give_up_stays_registered(
    tenant: Tenant, api: GitHubApi
) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    api.answers += [Answer(401, {"message": "Bad credentials"})]
    message = refusal(tenant, lambda: deregister(tenant, webhook))
    assert message == (
        "Webhook could not be removed from GitHub. Error cause: Invalid credentials "
        '[StatusCode: 401, Body: {"message": "Bad credentials"}]'
    )
    assert listed(tenant, webhook)["errorMessage"] == message
    deregister(tenant, webhook)
    assert api.lines[1:] == [f"DELETE /repos/acme/app/hooks/{HOOK}"] * 2
    assert "errorMessage" not in listed(tenant, webhook)


def test_r6_a_redirect_to_another_host_is_not_followed(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    with GitHubApi() as evil:
        for status in (301, 302, 307, 308):
            api.answers += [
                Answer(status, headers={"Location": f"{evil.url}/repos/acme/app/hooks"})
            ]
            message = refusal(tenant, lambda: register(tenant, webhook))
            assert message.startswith(f"{FAILED}GitHub redirects to another address")
        assert evil.asked == []


def test_r6_a_redirect_of_the_same_host_is_followed(tenant: Tenant, api: GitHubApi) -> None:
    api.answers += [
        Answer(307, headers={"Location": "/repositories/1/hooks"}),
        Answer(201, {"id": 7}),
    ]
    register(tenant, hook_of(tenant))
    assert api.lines == ["POST /repos/acme/app/hooks", "POST /repositories/1/hooks"]
    assert api.asked[1].body == api.asked[0].body


@pytest.mark.parametrize("repo", ["../../user/repos", "..", "app?x=", "app#x", "app/hooks/1"])
def test_r6_a_name_that_leads_elsewhere_is_never_asked_for(
    tenant: Tenant, api: GitHubApi, repo: str
) -> None:
    with pytest.raises(ClientError, match=r"Repo|is not an owner and a repository"):
        register(tenant, tenant.webhook(tenant.pipeline(source_action=source("acme", repo))))
    assert api.asked == []


def test_r6_the_api_may_be_another_server_under_a_path(
    make_server: Callable[..., Server], github: Path, api: GitHubApi
) -> None:
    tenant = Tenant(make_server(github_api_url=f"{api.url}/api/v3").start(), github)
    api.answers += [Answer(201, {"id": 7}), Answer(204)]
    webhook = hook_of(tenant)
    register(tenant, webhook)
    deregister(tenant, webhook)
    assert api.lines == [
        "POST /api/v3/repos/acme/app/hooks",
        "DELETE /api/v3/repos/acme/app/hooks/7",
    ]


def changed(tenant: Tenant, webhook: Any, **definition: Any) -> Any:
    whole = {**webhook["definition"], **definition}
    return tenant.client.put_webhook(webhook=whole)["webhook"]


def test_p11_a_changed_secret_is_carried_to_github(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    changed(tenant, webhook, authenticationConfiguration={"SecretToken": "another"})
    changed(tenant, webhook, filters=[{"jsonPath": "$.release.tag_name"}])
    assert api.lines[1:] == [f"PATCH /repos/acme/app/hooks/{HOOK}"] * 2
    assert [asked.status for asked in api.asked] == [201, 200, 200]
    assert [asked.body["config"]["secret"] for asked in api.asked] == [SECRET, "another", "another"]
    assert api.asked[2].body["events"] == ["release"]
    assert api.asked[2].body["config"]["url"] == webhook["url"]


def test_p11_a_webhook_that_is_not_registered_is_not_carried(
    tenant: Tenant, api: GitHubApi
) -> None:
    webhook = hook_of(tenant)
    changed(tenant, webhook)
    register(tenant, webhook)
    deregister(tenant, webhook)
    changed(tenant, webhook)
    assert len(api.asked) == 2


def test_p11_what_github_refuses_counts_here_and_is_told(
    tenant: Tenant, api: GitHubApi, server: Server
) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    api.answers += [Answer(401, {"message": "Bad credentials"})]
    answer = changed(tenant, webhook, authenticationConfiguration={"SecretToken": "another"})
    assert answer["errorCode"] == "401"
    assert answer["errorMessage"].startswith(f"{FAILED}Invalid credentials [StatusCode: 401")
    assert "its secret included: register the webhook again" in answer["errorMessage"]
    assert listed(tenant, webhook)["errorMessage"] == answer["errorMessage"]
    assert tenant.push(webhook).status == 401
    assert "a webhook's change is not at GitHub" in server.output
    register(tenant, webhook)
    assert api.asked[-1].body["config"]["secret"] == "another"
    assert "errorMessage" not in listed(tenant, webhook)


def test_p11_a_webhook_that_needs_no_secret_any_more_leaves_github(
    tenant: Tenant, api: GitHubApi
) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    opened = {"authentication": "UNAUTHENTICATED", "authenticationConfiguration": {}}
    api.answers += [Answer(403, {"message": "Forbidden"})]
    assert "removed from GitHub" in changed(tenant, webhook, **opened)["errorMessage"]
    assert "errorMessage" not in changed(tenant, webhook, **opened)
    changed(tenant, webhook, **opened)
    assert api.lines[1:] == [f"DELETE /repos/acme/app/hooks/{HOOK}"] * 2


def test_p11_another_target_moves_the_hook_with_each_ones_token(
    tenant: Tenant, api: GitHubApi
) -> None:
    webhook = hook_of(tenant)
    api.answers += [Answer(201, {"id": 7})]
    register(tenant, webhook)
    other = source("other", "app")
    other["configuration"]["OAuthToken"] = "other-token"
    changed(tenant, webhook, targetPipeline=tenant.pipeline(source_action=other))
    assert api.lines[1:] == ["POST /repos/other/app/hooks", "DELETE /repos/acme/app/hooks/7"]
    assert [asked.headers["authorization"] for asked in api.asked[1:]] == [
        "token other-token",
        "token gh-token",
    ]


def test_p11_a_secret_changed_while_github_is_asked_is_not_lost(
    tenant: Tenant, api: GitHubApi
) -> None:
    webhook = hook_of(tenant)

    def change() -> None:
        changed(tenant, webhook, authenticationConfiguration={"SecretToken": "another"})

    api.answers += [Answer(201, {"id": 7}, meanwhile=change)]
    register(tenant, webhook)
    assert api.lines[1:] == ["PATCH /repos/acme/app/hooks/7"]
    assert api.asked[1].body["config"]["secret"] == "another"


def test_d4_deleting_removes_the_hook(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    tenant.client.delete_webhook(name=name_of(webhook))
    tenant.client.delete_webhook(name=name_of(webhook))
    assert api.lines[1:] == [f"DELETE /repos/acme/app/hooks/{HOOK}"]
    assert api.asked[1].status == 204


@pytest.mark.parametrize("status", [401, 503])
def test_d4_a_hook_that_github_does_not_give_up_blocks_no_delete(
    tenant: Tenant, api: GitHubApi, server: Server, status: int
) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    api.answers += [Answer(status, {"message": "No"})] * 4
    tenant.client.delete_webhook(name=name_of(webhook))
    # Once to register; then as often as two seconds allow.
    assert len(api.asked) <= 1 + 4
    api.answers.clear()
    assert tenant.client.list_webhooks()["webhooks"] == []
    assert tenant.push(webhook).status == 404
    lines = [line for line in server.output.splitlines() if webhook["arn"] in line]
    assert "a hook was left at GitHub" in lines[-1]
    assert f"StatusCode: {status}" in lines[-1]


def test_d4_a_webhook_without_its_pipeline_can_be_deleted(tenant: Tenant, api: GitHubApi) -> None:
    webhook = hook_of(tenant)
    register(tenant, webhook)
    tenant.client.delete_pipeline(name=webhook["definition"]["targetPipeline"])
    assert "not a source action" in refusal(tenant, lambda: deregister(tenant, webhook))
    tenant.client.delete_webhook(name=name_of(webhook))
    assert len(api.asked) == 1


def test_d4_a_webhook_deleted_while_it_is_registered_leaves_no_hook(
    tenant: Tenant, api: GitHubApi
) -> None:
    webhook = hook_of(tenant)

    def delete() -> None:
        tenant.client.delete_webhook(name=name_of(webhook))

    api.answers += [Answer(201, {"id": 7}, meanwhile=delete)]
    with pytest.raises(tenant.client.exceptions.WebhookNotFoundException):
        register(tenant, webhook)
    assert api.lines[1:] == ["DELETE /repos/acme/app/hooks/7"]


def test_r2_r5_d4_on_postgresql_too(
    make_server: Callable[..., Server], github: Path, api: GitHubApi, cluster: Cluster
) -> None:
    settings = {"github_api_url": api.url, "database_url": cluster.create_database()}
    tenant = Tenant(make_server(**settings).start(), github)
    webhook = hook_of(tenant)
    register(tenant, webhook)
    register(tenant, webhook)
    deregister(tenant, webhook)
    api.answers += [Answer(400, b"\x00")]
    refusal(tenant, lambda: register(tenant, webhook))
    assert listed(tenant, webhook)["errorCode"] == "400"
    deregister(tenant, webhook)
    register(tenant, webhook)
    tenant.client.delete_webhook(name=name_of(webhook))
    methods = [asked.method for asked in api.asked]
    assert methods == ["POST", "PATCH", "DELETE", "POST", "POST", "DELETE"]


def test_prism_refuses_what_github_would(api: GitHubApi) -> None:
    wrong = json.dumps({"name": "web", "events": "push"}).encode()
    request = Request(
        f"{api.url}/repos/acme/app/hooks", wrong, {"Content-Type": "application/json"}
    )
    with pytest.raises(HTTPError) as caught:
        urlopen(request)
    with caught.value:
        assert caught.value.code == 422
