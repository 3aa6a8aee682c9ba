"""Git triggers through real HTTP: which deliveries start a V2 pipeline (contract T11, T12, T14)."""

import json
from pathlib import Path
from typing import Any

import pytest

from hookline.model import Verdict
from support.sending import Reply, push_event, send, signed
from support.tenant import SECRET, Tenant, action_type

EXAMPLES = Path(__file__).parents[1] / (
    "node/node_modules/@octokit/webhooks-examples/api.github.com/index.json"
)


def connection(repository: str = "nobody/nothing") -> Any:
    return {
        "name": "App",
        "actionTypeId": action_type("Source", "AWS", "CodeStarSourceConnection"),
        "configuration": {
            "ConnectionArn": "arn:aws:codeconnections:us-east-1:000000000000:connection/1",
            "FullRepositoryId": repository,
            "BranchName": "main",
        },
        "outputArtifacts": [{"name": "Code"}],
    }


def trigger(**git: Any) -> Any:
    return {
        "providerType": "CodeStarSourceConnection",
        "gitConfiguration": {"sourceActionName": "App", **git},
    }


def triggered(tenant: Tenant, repository: str = "nobody/nothing", **git: Any) -> str:
    return tenant.pipeline(
        source_action=connection(repository), pipelineType="V2", triggers=[trigger(**git)]
    )


def monorepo_push(*files: str, branch: str = "main", commit: str = "1" * 40) -> Any:
    commits = [{"id": commit, "added": list(files), "modified": [], "removed": []}]
    return push_event(commit, branch, commits=commits)


API = {"branches": {"includes": ["main"]}, "filePaths": {"includes": ["api/**"]}}
REQUESTS = {"events": ["OPEN", "UPDATED"], "branches": {"includes": ["main"]}}


def examples(name: str) -> Any:
    return next(
        item["examples"] for item in json.loads(EXAMPLES.read_text()) if item["name"] == name
    )


def sent(webhook: Any, event: Any, name: str = "push", **headers: str) -> Reply:
    body = json.dumps(event).encode()
    return send(webhook["url"], body, {**signed(SECRET, body, name), **headers})


def test_t11_a_push_that_matches_starts_with_its_commit_and_as_webhook_v2(tenant: Tenant) -> None:
    repository = tenant.repository
    first = repository.commit("The API")
    repository.commit("Something newer")
    pipeline = triggered(tenant, f"{repository.owner}/{repository.name}", push=[API])
    webhook = tenant.webhook(pipeline)
    reply = tenant.push(webhook, monorepo_push("api/x.py", commit=first))
    assert (reply.status, reply.outcome) == (200, "started")
    execution = tenant.finished(pipeline, reply.execution_id)
    assert execution["status"] == "Succeeded"
    assert execution["trigger"] == {"triggerType": "WebhookV2", "triggerDetail": webhook["arn"]}
    [revision] = execution["artifactRevisions"]
    assert revision["revisionId"] == first
    [summary] = tenant.executions(pipeline)
    assert summary["trigger"]["triggerType"] == "WebhookV2"
    trace = tenant.server.delivery(reply.delivery_id).trace
    assert trace["triggers"] == [
        {
            "filter": "push 1",
            "found": "push of branch main",
            "wanted": "push of branch main, with a file api/**",
            "passed": True,
            "reason": None,
        }
    ]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (monorepo_push("web/x.js"), "the changed files are web/x.js, not api/**"),
        (monorepo_push("api/x.py", branch="dev"), "the branch is dev, not main"),
        (push_event(deleted=True), "branch main was deleted, which starts nothing"),
        ({"zen": "x"}, "neither a push nor a pull request"),
    ],
)
def test_t12_t14_what_does_not_match_is_filtered_and_only_the_trace_says_why(
    tenant: Tenant, event: Any, why: str
) -> None:
    pipeline = triggered(tenant, push=[API])
    reply = tenant.push(tenant.webhook(pipeline), event)
    assert (reply.status, reply.outcome) == (200, "filtered")
    assert reply.content["message"] == "a filter did not match"
    assert "api/" not in json.dumps(reply.content)
    assert tenant.executions(pipeline) == []
    delivery = tenant.server.delivery(reply.delivery_id)
    assert delivery.verdict is Verdict.FILTERED
    assert why in delivery.trace["reason"]
    [seen] = delivery.trace["triggers"]
    assert (seen["passed"], why in seen["reason"]) == (False, True)


def test_t5_the_webhooks_own_filters_count_too_and_first(tenant: Tenant) -> None:
    pipeline = triggered(tenant, push=[API])
    rule = {"jsonPath": "$.ref", "matchEquals": "refs/heads/{BranchName}"}
    webhook = tenant.webhook(pipeline, filters=[rule])
    filtered = tenant.push(webhook, monorepo_push("api/x", branch="dev"))
    assert filtered.outcome == "filtered"
    trace = tenant.server.delivery(filtered.delivery_id).trace
    assert trace["reason"] == "$.ref is refs/heads/dev, not refs/heads/main"
    assert "triggers" not in trace
    assert tenant.push(webhook, monorepo_push("web/x")).outcome == "filtered"
    assert tenant.push(webhook, monorepo_push("api/x")).outcome == "started"


@pytest.mark.parametrize("declared", [{}, {"pipelineType": "V2"}])
def test_t11_a_pipeline_without_triggers_keeps_webhook(tenant: Tenant, declared: Any) -> None:
    pipeline = tenant.pipeline(source_action=connection(), **declared)
    reply = tenant.push(tenant.webhook(pipeline), {"any": "thing"})
    assert reply.outcome == "started"
    trigger = tenant.execution(pipeline, reply.execution_id)["trigger"]
    assert trigger["triggerType"] == "Webhook"
    assert "triggers" not in tenant.server.delivery(reply.delivery_id).trace


def test_a_changed_trigger_counts_from_the_next_delivery_on(tenant: Tenant) -> None:
    pipeline = triggered(tenant, push=[API])
    webhook = tenant.webhook(pipeline)
    assert tenant.push(webhook, monorepo_push("web/x")).outcome == "filtered"
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    assert declared["triggers"] == [trigger(push=[API])]
    declared["triggers"][0]["gitConfiguration"]["push"][0]["filePaths"] = {"includes": ["web/*"]}
    tenant.client.update_pipeline(pipeline=declared)
    assert tenant.push(webhook, monorepo_push("web/x")).outcome == "started"
    del declared["triggers"]
    tenant.client.update_pipeline(pipeline=declared)
    reply = tenant.push(webhook, monorepo_push("other/x"))
    assert tenant.execution(pipeline, reply.execution_id)["trigger"]["triggerType"] == "Webhook"


def test_githubs_own_pull_requests_are_judged(tenant: Tenant) -> None:
    opened, closed, labeled = (
        next(event for event in examples("pull_request") if event["action"] == action)
        for action in ("opened", "closed", "labeled")
    )
    base = opened["pull_request"]["base"]["ref"]
    pipeline = triggered(tenant, pullRequest=[{**REQUESTS, "branches": {"includes": [base]}}])
    webhook = tenant.webhook(pipeline)
    assert sent(webhook, closed, "pull_request").outcome == "filtered"
    assert sent(webhook, labeled, "pull_request").outcome == "filtered"
    assert sent(webhook, examples("push")[0]).outcome == "filtered"
    reply = sent(webhook, opened, "pull_request")
    assert reply.outcome == "started"
    [revision] = tenant.executions(pipeline)[0]["sourceRevisions"]
    assert revision["revisionId"] == opened["pull_request"]["head"]["sha"]


def test_githubs_own_pushes_are_judged(tenant: Tenant) -> None:
    pipeline = triggered(tenant, push=[{"branches": {"includes": ["m*"]}}, {"tags": {}}])
    webhook = tenant.webhook(pipeline)
    for event in examples("push"):
        expected = {"filtered"} if event["deleted"] else {"started", "duplicate"}
        assert sent(webhook, event).outcome in expected


def test_bitbuckets_pull_requests_are_told_by_their_header_and_so_again_in_a_redelivery(
    tenant: Tenant,
) -> None:
    side = {"branch": {"name": "main"}, "repository": {"full_name": "acme/app"}}
    event = {"pullrequest": {"source": side, "destination": side}}
    pipeline = triggered(tenant, pullRequest=[REQUESTS])
    webhook = tenant.webhook(pipeline)
    approved = sent(webhook, {**event, "n": 1}, **{"X-Event-Key": "pullrequest:approved"})
    assert approved.outcome == "filtered"
    reply = sent(webhook, event, **{"X-Event-Key": "pullrequest:created"})
    assert reply.outcome == "started"
    tenant.server.delivery(reply.delivery_id)
    done = tenant.server.hookline("deliveries", "redeliver", reply.delivery_id)
    assert done.returncode == 0, done.stderr
    assert len(tenant.executions(pipeline)) == 2


def test_a_redelivery_is_judged_by_the_trigger_of_today(tenant: Tenant) -> None:
    pipeline = triggered(tenant, push=[API])
    reply = tenant.push(tenant.webhook(pipeline), monorepo_push("web/x"))
    tenant.server.delivery(reply.delivery_id)
    shown = tenant.server.hookline("deliveries", "show", reply.delivery_id).stdout
    assert "Triggers" in shown
    assert "✗" in shown
    assert "why not       the changed files are web/x, not api/**" in shown
    again = tenant.server.hookline("deliveries", "redeliver", reply.delivery_id)
    assert "filtered" in again.stdout
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    declared["triggers"] = [trigger(push=[{"filePaths": {"includes": ["web/*"]}}])]
    tenant.client.update_pipeline(pipeline=declared)
    done = tenant.server.hookline("deliveries", "redeliver", reply.delivery_id)
    assert done.returncode == 0, done.stderr
    [execution] = tenant.executions(pipeline)
    assert execution["trigger"]["triggerType"] == "WebhookV2"


def test_try_shows_the_triggers(tenant: Tenant, tmp_path: Path) -> None:
    webhook = tenant.webhook(triggered(tenant, push=[API], pullRequest=[REQUESTS]))
    file = tmp_path / "event.json"
    arguments = ("try", "--region", tenant.region, "--webhook", webhook["definition"]["name"])
    file.write_text(json.dumps(monorepo_push("web/x")))
    done = tenant.server.hookline(*arguments, str(file))
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("no match: none of the pipeline's triggers matches\n")
    assert "✗ trigger push 1\n  found    push of branch main\n" in done.stdout
    assert "  why not  the changed files are web/x, not api/**\n" in done.stdout
    assert "✗ trigger pullRequest 1\n" in done.stdout
    file.write_text(json.dumps(monorepo_push("api/x")))
    done = tenant.server.hookline(*arguments, str(file))
    assert done.returncode == 0, done.stderr
    assert "✓ trigger push 1\n" in done.stdout
    side = {"branch": {"name": "main"}, "repository": {"full_name": "acme/app"}}
    file.write_text(json.dumps({"pullrequest": {"source": side, "destination": side}}))
    assert tenant.server.hookline(*arguments, str(file)).returncode == 1
    key = ("--event-key", "pullrequest:created")
    assert tenant.server.hookline(*arguments, *key, str(file)).returncode == 0


def test_p6_a_trigger_that_cant_be_used_is_refused(tenant: Tenant) -> None:
    for git, words in (
        ({"push": [{"branches": {"includes": ["a[b"]}}]}, "has a [ without ]"),
        ({"push": [{"tags": {"includes": ["a"]}, **API}]}, "Give them a push filter of their own"),
        ({"sourceActionName": "Other"}, "names the source action 'Other'"),
    ):
        with pytest.raises(
            tenant.client.exceptions.InvalidStructureException, match=r"."
        ) as caught:
            triggered(tenant, **git)
        assert words in str(caught.value)


def test_what_only_v2_has_makes_a_pipeline_v2(tenant: Tenant) -> None:
    name = tenant.pipeline(
        source_action=connection(), triggers=[trigger()], variables=[{"name": "Stage"}]
    )
    declared = tenant.client.get_pipeline(name=name)["pipeline"]
    assert declared["pipelineType"] == "V2"
    [listed] = tenant.client.list_pipelines()["pipelines"]
    assert listed["pipelineType"] == "V2"
    webhook = tenant.webhook(name)
    assert tenant.push(webhook, push_event(branch="dev")).outcome == "filtered"
    assert tenant.push(webhook).outcome == "started"


def test_x3_of_a_signed_event_only_what_the_branch_or_the_trigger_has_runs(tenant: Tenant) -> None:
    repository = tenant.repository
    name = f"{repository.owner}/{repository.name}"
    head = repository.commit("The branch")
    stranger = repository.commit("Proposed")
    repository._git("update-ref", "refs/pull/7/head", stranger)
    repository._git("reset", "--quiet", "--hard", head)
    side = {"ref": "main", "sha": stranger, "repo": {"full_name": name}}
    request = {"head": {**side, "ref": "proposal"}, "base": side, "number": 7, "title": "Proposed"}
    pipeline = triggered(tenant, name, push=[{}], pullRequest=[{}])
    webhook = tenant.webhook(pipeline)
    opened = sent(webhook, {"action": "opened", "pull_request": request}, "pull_request")
    pushed = tenant.push(webhook, push_event(stranger))
    for reply, commit in ((opened, stranger), (pushed, head)):
        execution = tenant.finished(pipeline, reply.execution_id)
        assert [item["revisionId"] for item in execution["artifactRevisions"]] == [commit]
