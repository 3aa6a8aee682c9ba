"""CreatePipeline, GetPipeline, UpdatePipeline, DeletePipeline and ListPipelines through boto3."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import select

from hookline.model import Scope
from hookline.store import pipeline_secrets
from hookline.store import pipelines as stored
from hookline.store.tables import pipeline_versions, pipelines
from support.postgres import Cluster
from support.server import Server, until
from support.tenant import ROLE, SECRET, Tenant, commands, declaration, source

ACCOUNT = "000000000000"
BUILD = ("Build", commands("Make", "true"))
AT_ONCE = 8

T = TypeVar("T")


def declared(name: str = "app", source_action: Any = None, **more: Any) -> Any:
    return declaration(name, source_action or source(), BUILD, **more)


def with_token(pipeline: str, token: str, **more: Any) -> Any:
    """A pipeline whose source action has this token."""
    action = {**source(), **more}
    action["configuration"]["OAuthToken"] = token
    return declared(pipeline, action)


def get(tenant: Tenant, name: str = "app", **version: int) -> Any:
    return tenant.client.get_pipeline(name=name, **version)


def names(tenant: Tenant, **parameters: Any) -> list[str]:
    return [item["name"] for item in tenant.client.list_pipelines(**parameters)["pipelines"]]


def code(call: Callable[..., Any], **parameters: Any) -> str:
    """The name of the error that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def fill(tenant: Tenant, number: int) -> None:
    """Put pipelines straight into the store: 1,000 calls would take their time."""
    scope = Scope(ACCOUNT, tenant.region)
    with tenant.server.database.write() as connection:
        for index in range(number):
            filler = pipeline_secrets.masked(declared(f"filler-{index:04}"))
            assert stored.create(connection, scope, filler)


def kept_tokens(tenant: Tenant, name: str = "app") -> list[str]:
    """The source action's token as the store keeps it, by version."""
    query = (
        select(pipeline_versions.c.declaration)
        .join(pipelines, pipelines.c.id == pipeline_versions.c.pipeline_id)
        .where(pipelines.c.region == tenant.region, pipelines.c.name == name)
        .order_by(pipeline_versions.c.version)
    )
    with tenant.server.database.read() as connection:
        return [
            row.declaration["stages"][0]["actions"][0]["configuration"]["OAuthToken"]
            for row in connection.execute(query)
        ]


def test_create_answers_the_whole_pipeline_with_its_defaults_and_tags(tenant: Tenant) -> None:
    given = declared(version=7)
    tags = [{"key": "team", "value": "web"}, {"key": "z", "value": ""}]
    answer = tenant.client.create_pipeline(pipeline=given, tags=tags)
    assert answer["tags"] == tags
    pipeline = answer["pipeline"]
    assert (pipeline["name"], pipeline["roleArn"], pipeline["version"]) == ("app", ROLE, 1)
    assert (pipeline["pipelineType"], pipeline["executionMode"]) == ("V2", "SUPERSEDED")
    assert pipeline["artifactStore"] == given["artifactStore"]
    [app] = pipeline["stages"][0]["actions"]
    assert (app["runOrder"], app["inputArtifacts"]) == (1, [])
    assert app["outputArtifacts"] == [{"name": "Code"}]
    got = get(tenant)
    assert got["pipeline"] == pipeline
    arn = f"arn:aws:codepipeline:{tenant.region}:{ACCOUNT}:app"
    assert got["metadata"]["pipelineArn"] == arn
    assert tenant.client.list_tags_for_resource(resourceArn=arn)["tags"] == tags


def test_w1_metadata_has_the_times_of_creation_and_of_the_version(tenant: Tenant) -> None:
    before = datetime.now(UTC)
    tenant.client.create_pipeline(pipeline=declared())
    first = get(tenant)["metadata"]
    assert before <= first["created"] == first["updated"] <= datetime.now(UTC)
    tenant.client.update_pipeline(pipeline=declared())
    second = get(tenant)["metadata"]
    assert second["created"] == first["created"] < second["updated"]
    assert get(tenant, version=1)["metadata"] == first
    [summary] = tenant.client.list_pipelines()["pipelines"]
    assert summary == {
        "name": "app",
        "version": 2,
        "pipelineType": "V2",
        "executionMode": "SUPERSEDED",
        "created": second["created"],
        "updated": second["updated"],
    }


def test_a_name_is_used_once_in_a_region(tenant: Tenant, server: Server) -> None:
    create = tenant.client.create_pipeline
    create(pipeline=declared())
    assert code(create, pipeline=declared()) == "PipelineNameInUseException"
    assert names(tenant) == ["app"]
    assert get(tenant)["pipeline"]["version"] == 1
    elsewhere = server.client(f"{tenant.region}-2")
    elsewhere.create_pipeline(pipeline=declared())
    elsewhere.delete_pipeline(name="app")
    assert names(tenant) == ["app"]


def test_what_is_not_there_is_not_found(tenant: Tenant) -> None:
    client = tenant.client
    assert code(client.get_pipeline, name="absent") == "PipelineNotFoundException"
    # The model lists no PipelineNotFoundException for UpdatePipeline.
    assert code(client.update_pipeline, pipeline=declared()) == "InvalidStructureException"
    client.create_pipeline(pipeline=declared())
    for version in (2, 2**31 - 1):
        found = code(client.get_pipeline, name="app", version=version)
        assert found == "PipelineVersionNotFoundException"


def test_an_update_makes_the_next_version_whatever_number_is_sent(tenant: Tenant) -> None:
    tenant.client.create_pipeline(pipeline=declared())
    for number, sent in enumerate(({}, {"version": 1}, {"version": 99}), start=2):
        build = ("Build", commands("Make", f"echo {number}"))
        changed = declaration("app", source(), build, **sent)
        answer = tenant.client.update_pipeline(pipeline=changed)["pipeline"]
        assert answer["version"] == number
        assert get(tenant)["pipeline"] == answer
    for number in (2, 3, 4):
        [make] = get(tenant, version=number)["pipeline"]["stages"][1]["actions"]
        assert make["commands"] == [f"echo {number}"]
    # An update under another name is not a rename.
    renamed = declared("renamed")
    assert code(tenant.client.update_pipeline, pipeline=renamed) == "InvalidStructureException"
    assert names(tenant) == ["app"]


def test_an_update_replaces_all_of_the_pipeline_and_keeps_its_tags(tenant: Tenant) -> None:
    tags = [{"key": "team", "value": "web"}]
    full = declared(pipelineType="V2", executionMode="QUEUED", variables=[{"name": "Target"}])
    tenant.client.create_pipeline(pipeline=full, tags=tags)
    answer = tenant.client.update_pipeline(pipeline=declared())["pipeline"]
    assert (answer["pipelineType"], answer["executionMode"]) == ("V2", "SUPERSEDED")
    assert not answer.get("variables")
    arn = get(tenant)["metadata"]["pipelineArn"]
    assert tenant.client.list_tags_for_resource(resourceArn=arn)["tags"] == tags


def test_a_refused_definition_changes_nothing(tenant: Tenant) -> None:
    tenant.client.create_pipeline(pipeline=declared())
    broken = declaration("app", source())
    update = tenant.client.update_pipeline
    assert code(update, pipeline=broken) == "InvalidStructureException"
    twice = declaration("app", source(), BUILD, BUILD)
    assert code(update, pipeline=twice) == "InvalidStageDeclarationException"
    assert get(tenant)["pipeline"]["version"] == 1
    create = tenant.client.create_pipeline
    assert code(create, pipeline={**broken, "name": "new"}) == "InvalidStructureException"
    new = declared("new")
    many = [{"key": f"k{number}", "value": ""} for number in range(51)]
    assert code(create, pipeline=new, tags=many) == "TooManyTagsException"
    reserved = [{"key": "aws:x", "value": ""}]
    assert code(create, pipeline=new, tags=reserved) == "InvalidTagsException"
    assert names(tenant) == ["app"]


def test_w3_the_models_constraints_are_checked(tenant: Tenant, server: Server) -> None:
    client = server.client(tenant.region, parameter_validation=False)
    for call, parameters, said in (
        (client.create_pipeline, {"pipeline": declared("no spaces")}, "pipeline.name"),
        (client.create_pipeline, {"pipeline": declared("x" * 101)}, "pipeline.name"),
        (client.create_pipeline, {"pipeline": declared(roleArn="role")}, "pipeline.roleArn"),
        (client.create_pipeline, {"pipeline": declared(executionMode="FAST")}, "executionMode"),
        (client.create_pipeline, {}, "pipeline"),
        (client.get_pipeline, {"name": "app", "version": 0}, "version"),
        (client.get_pipeline, {}, "name"),
        (client.delete_pipeline, {"name": ""}, "name"),
        (client.list_pipelines, {"maxResults": 0}, "maxResults"),
        (client.list_pipelines, {"maxResults": 1001}, "maxResults"),
    ):
        with pytest.raises(client.exceptions.ValidationException, match=said):
            call(**parameters)
    client.create_pipeline(pipeline=declared("x" * 100))


def test_w3_a_token_is_never_in_a_message(tenant: Tenant, server: Server) -> None:
    client = server.client(tenant.region, parameter_validation=False)
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.create_pipeline(pipeline=with_token("app", "gh-secret" * 10_000))
    assert "gh-secret" not in str(caught.value)


def test_the_token_is_sealed_masked_and_kept(tenant: Tenant) -> None:
    client = tenant.client
    created = client.create_pipeline(pipeline=with_token("app", SECRET))["pipeline"]
    answers = [created, get(tenant)["pipeline"]]
    answers.append(client.update_pipeline(pipeline=created)["pipeline"])
    stars = with_token("app", "*****")
    answers.append(client.update_pipeline(pipeline=stars)["pipeline"])
    answers.append(client.update_pipeline(pipeline=with_token("app", "another"))["pipeline"])
    answers.append(get(tenant, version=1)["pipeline"])
    for answer in answers:
        configuration = answer["stages"][0]["actions"][0]["configuration"]
        assert configuration["OAuthToken"] == "****"
        assert {key: configuration[key] for key in ("Owner", "Repo", "Branch")} == {
            "Owner": "acme",
            "Repo": "app",
            "Branch": "main",
        }
    first, kept, kept_too, other = kept_tokens(tenant)
    assert kept == kept_too == first != other
    assert SECRET not in first
    assert "****" not in {first, other}


@pytest.mark.parametrize("mask", ["****", "*****"])
def test_the_mask_is_no_token_where_none_is_kept(tenant: Tenant, mask: str) -> None:
    client = tenant.client
    refused = "InvalidActionDeclarationException"
    assert code(client.create_pipeline, pipeline=with_token("app", mask)) == refused
    client.create_pipeline(pipeline=with_token("app", SECRET))
    elsewhere = with_token("app", mask, name="Renamed")
    assert code(client.update_pipeline, pipeline=elsewhere) == refused
    assert len(kept_tokens(tenant)) == 1


@pytest.mark.parametrize("value", ["true", "false"])
def test_poll_for_source_changes_is_kept_as_it_is(tenant: Tenant, value: str) -> None:
    action = source()
    action["configuration"]["PollForSourceChanges"] = value
    tenant.client.create_pipeline(pipeline=declared("app", action))
    shown = get(tenant)["pipeline"]["stages"][0]["actions"][0]["configuration"]
    assert shown["PollForSourceChanges"] == value
    assert "pollingDisabledAt" not in get(tenant)["metadata"]


def test_delete_takes_all_of_it_and_succeeds_twice(tenant: Tenant) -> None:
    client = tenant.client
    client.create_pipeline(pipeline=declared(), tags=[{"key": "team", "value": "web"}])
    client.update_pipeline(pipeline=declared())
    webhook = tenant.webhook("app")
    arn = get(tenant)["metadata"]["pipelineArn"]
    for _ in range(2):
        client.delete_pipeline(name="app")
    assert names(tenant) == []
    assert code(client.get_pipeline, name="app") == "PipelineNotFoundException"
    assert code(client.list_tags_for_resource, resourceArn=arn) == "ResourceNotFoundException"
    assert tenant.push(webhook).status == 409
    # Made again it is a new one, and the webhook that waited for it goes on.
    client.create_pipeline(pipeline=declared())
    assert get(tenant)["pipeline"]["version"] == 1
    assert code(client.get_pipeline, name="app", version=2) == "PipelineVersionNotFoundException"
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == []
    assert tenant.executions("app") == []
    assert tenant.push(webhook).outcome == "started"


def test_l2_pages_are_stable_and_in_order_of_names(tenant: Tenant) -> None:
    wanted = sorted(["a", "B", "c.d", "c-d", "c_d", "c@d", "é".encode().hex()])
    for name in reversed(wanted):
        tenant.client.create_pipeline(pipeline=declared(name))
    assert names(tenant) == wanted
    first = tenant.client.list_pipelines(maxResults=3)
    assert [item["name"] for item in first["pipelines"]] == wanted[:3]
    # What comes before the page doesn't move it.
    tenant.client.create_pipeline(pipeline=declared("A"))
    tenant.client.delete_pipeline(name=wanted[0])
    second = tenant.client.list_pipelines(maxResults=4, nextToken=first["nextToken"])
    assert [item["name"] for item in second["pipelines"]] == wanted[3:]
    assert "nextToken" not in second
    pages = tenant.client.get_paginator("list_pipelines").paginate(PaginationConfig={"PageSize": 2})
    found = [item["name"] for page in pages for item in page["pipelines"]]
    assert found == ["A", *wanted[1:]]


def test_l2_a_token_is_good_for_its_list_and_region_only(tenant: Tenant, server: Server) -> None:
    for name in ("a", "b"):
        tenant.client.create_pipeline(pipeline=declared(name))
        tenant.webhook("a", name=name)
    mine = tenant.client.list_pipelines(maxResults=1)["nextToken"]
    other = tenant.client.list_webhooks(MaxResults=1)["NextToken"]
    elsewhere = server.client("elsewhere-3")
    for client, token in (
        (tenant.client, "nonsense"),
        (tenant.client, f"{mine[:-2]}{'AA' if mine[-2:] != 'AA' else 'BB'}"),
        (tenant.client, other),
        (elsewhere, mine),
    ):
        assert code(client.list_pipelines, nextToken=token) == "InvalidNextTokenException"
    assert code(tenant.client.list_webhooks, NextToken=mine) == "InvalidNextTokenException"


def test_a_region_has_at_most_1000_pipelines(tenant: Tenant) -> None:
    fill(tenant, 999)
    create = tenant.client.create_pipeline
    create(pipeline=declared())
    assert code(create, pipeline=declared("one-more")) == "LimitExceededException"
    assert code(create, pipeline=declared()) == "PipelineNameInUseException"
    tenant.client.update_pipeline(pipeline=declared())
    answer = tenant.client.list_pipelines()
    assert (len(answer["pipelines"]), "nextToken" in answer) == (1000, False)
    tenant.client.delete_pipeline(name="filler-0007")
    create(pipeline=declared("one-more"))


@pytest.fixture(params=["sqlite", "postgresql"])
def crowded(
    request: pytest.FixtureRequest, make_server: Callable[..., Server], github: Path
) -> Tenant:
    """A tenant of a server with two workers, on each database."""
    settings = {}
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        settings["database_url"] = cluster.create_database()
    server = make_server(**settings)
    server.options = ["--workers", "2"]
    return Tenant(server.start(), github)


def at_once(call: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, range(AT_ONCE)))


def outcome(call: Callable[..., Any], **parameters: Any) -> str:
    """The name of the error of a call, or that there was none."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


def test_calls_at_once_are_as_if_one_after_the_other(crowded: Tenant) -> None:
    client = crowded.client
    made = at_once(lambda _: outcome(client.create_pipeline, pipeline=declared()))
    assert Counter(made) == {"done": 1, "PipelineNameInUseException": AT_ONCE - 1}

    # Each sends the mask back, and none may lose the token.
    masked = with_token("app", "****")
    updates = at_once(lambda _: client.update_pipeline(pipeline=masked)["pipeline"]["version"])
    assert sorted(updates) == list(range(2, AT_ONCE + 2))
    assert len(set(kept_tokens(crowded))) == 1

    fill(crowded, 995)
    made = at_once(lambda n: outcome(client.create_pipeline, pipeline=declared(f"last-{n}")))
    assert Counter(made) == {"done": 4, "LimitExceededException": AT_ONCE - 4}


def test_tags_given_at_once_are_all_kept(crowded: Tenant) -> None:
    client = crowded.client
    client.create_pipeline(pipeline=declared())
    for arn in (get(crowded)["metadata"]["pipelineArn"], crowded.webhook("app")["arn"]):

        def tag(number: int, arn: str = arn) -> None:
            tags = [{"key": f"{number}-{index}", "value": ""} for index in range(5)]
            client.tag_resource(resourceArn=arn, tags=tags)
            client.untag_resource(resourceArn=arn, tagKeys=[f"{number}-0"])

        at_once(tag)
        assert len(client.list_tags_for_resource(resourceArn=arn)["tags"]) == AT_ONCE * 4


def test_x9_what_the_server_can_t_run_is_a_warning_in_the_log(tenant: Tenant) -> None:
    kind = {"category": "Invoke", "owner": "AWS", "provider": "Lambda", "version": "1"}
    invoke = {"name": "Elsewhere", "actionTypeId": kind, "configuration": {"FunctionName": "f"}}
    content = declaration("app", source(), ("Invoke", invoke))
    arn = f"arn:aws:codepipeline:{tenant.region}:{ACCOUNT}:app"

    def warnings() -> list[str]:
        lines = tenant.server.output.splitlines()
        return [line for line in lines if arn in line and "will fail" in line]

    tenant.client.create_pipeline(pipeline=declared())
    assert warnings() == []
    tenant.client.update_pipeline(pipeline=content)
    until(lambda: len(warnings()) == 1)
    assert "Action 'Elsewhere' in stage 'Invoke' will fail: Invoke · AWS · Lam" in warnings()[0]
    tenant.client.delete_pipeline(name="app")
    tenant.client.create_pipeline(pipeline=content)
    until(lambda: len(warnings()) == 2)
