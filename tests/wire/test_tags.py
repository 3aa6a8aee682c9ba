"""Tags of pipelines and webhooks, through boto3."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.server import Server
from support.tenant import Tenant


def code_of(error: pytest.ExceptionInfo[ClientError]) -> Any:
    return error.value.response["Error"]["Code"]


def arns(tenant: Tenant) -> tuple[str, str]:
    pipeline = tenant.pipeline()
    webhook = tenant.webhook(pipeline)
    account = webhook["arn"].split(":")[4]
    return f"arn:aws:codepipeline:{tenant.region}:{account}:{pipeline}", webhook["arn"]


def tags_of(tenant: Tenant, arn: str) -> dict[str, str]:
    pages = tenant.client.get_paginator("list_tags_for_resource").paginate(
        resourceArn=arn, PaginationConfig={"PageSize": 2}
    )
    return {tag["key"]: tag["value"] for page in pages for tag in page["tags"]}


def test_tags_are_added_changed_listed_by_page_and_removed(tenant: Tenant) -> None:
    for arn in arns(tenant):
        wanted = {f"key-{number}": str(number) for number in range(5)}
        given = [{"key": key, "value": value} for key, value in wanted.items()]
        tenant.client.tag_resource(resourceArn=arn, tags=given)
        tenant.client.tag_resource(resourceArn=arn, tags=[{"key": "key-0", "value": "new"}])
        assert tags_of(tenant, arn) == {**wanted, "key-0": "new"}
        tenant.client.untag_resource(resourceArn=arn, tagKeys=["key-0", "key-1", "absent"])
        assert tags_of(tenant, arn) == {f"key-{number}": str(number) for number in (2, 3, 4)}


def test_an_arn_without_an_account_is_the_callers(tenant: Tenant) -> None:
    tag = {"key": "team", "value": "red"}
    for arn in arns(tenant):
        account = arn.split(":")[4]
        short = arn.replace(f":{account}:", "::")
        tenant.client.tag_resource(resourceArn=short, tags=[tag])
        assert tags_of(tenant, arn) == tags_of(tenant, short) == {"team": "red"}
        tenant.client.untag_resource(resourceArn=short, tagKeys=["team"])
        assert tags_of(tenant, arn) == {}


def test_l2_a_page_token_is_good_for_its_resource_only(tenant: Tenant) -> None:
    tags = [{"key": key, "value": ""} for key in "abc"]
    pipeline, webhook = arns(tenant)
    for arn in (pipeline, webhook):
        tenant.client.tag_resource(resourceArn=arn, tags=tags)
    listing = tenant.client.list_tags_for_resource
    token = listing(resourceArn=pipeline, maxResults=1)["nextToken"]
    assert listing(resourceArn=pipeline, nextToken=token)["tags"] == tags[1:]
    for arn, text in ((webhook, token), (pipeline, "nonsense")):
        with pytest.raises(ClientError) as error:
            listing(resourceArn=arn, nextToken=text)
        assert code_of(error) == "InvalidNextTokenException"


def test_p2_tags_of_a_webhook_are_seen_in_the_list_and_end_with_it(tenant: Tenant) -> None:
    _, arn = arns(tenant)
    tenant.client.tag_resource(resourceArn=arn, tags=[{"key": "team", "value": "red"}])
    [listed] = [item for item in tenant.client.list_webhooks()["webhooks"] if item["arn"] == arn]
    assert listed["tags"] == [{"key": "team", "value": "red"}]
    tenant.client.delete_webhook(name=listed["definition"]["name"])
    with pytest.raises(ClientError) as error:
        tenant.client.list_tags_for_resource(resourceArn=arn)
    assert code_of(error) == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("eu-west-1", "aws")],
)
def test_x11_every_arn_of_a_region_has_its_partition(
    server: Server, github: Path, region: str, partition: str
) -> None:
    tenant = Tenant(server, github, region)
    pipeline = tenant.pipeline()
    name = f"arn:{partition}:codepipeline:{region}:000000000000"
    webhook = tenant.webhook(pipeline)
    assert webhook["arn"] == f"{name}:webhook:{webhook['definition']['name']}"
    found = tenant.client.get_pipeline(name=pipeline)["metadata"]["pipelineArn"]
    assert found == f"{name}:{pipeline}"
    team = [{"key": "team", "value": "red"}]
    for arn in (found, webhook["arn"]):
        tenant.client.tag_resource(resourceArn=arn, tags=team)
        assert tags_of(tenant, arn) == {"team": "red"}
        elsewhere = arn.replace(partition, "aws-iso", 1)
        with pytest.raises(ClientError) as error:
            tenant.client.tag_resource(resourceArn=elsewhere, tags=team)
        assert code_of(error) == "ResourceNotFoundException"
    started = tenant.client.start_pipeline_execution(name=pipeline)["pipelineExecutionId"]
    detail = tenant.execution(pipeline, started)["trigger"]["triggerDetail"]
    assert detail.startswith(f"arn:{partition}:iam::000000000000:user/")


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("arn:aws:codepipeline:{region}:000000000000:absent", "ResourceNotFoundException"),
        ("arn:aws:codepipeline:{region}:000000000000:webhook:absent", "ResourceNotFoundException"),
        ("arn:aws:codepipeline:eu-west-9:000000000000:absent", "ResourceNotFoundException"),
        ("arn:aws:codepipeline:{region}:000000000000:rule:x", "InvalidArnException"),
        ("arn:aws:codebuild:{region}:000000000000:absent", "ValidationException"),
    ],
)
def test_an_arn_of_nothing_is_refused(tenant: Tenant, arn: str, code: str) -> None:
    with pytest.raises(ClientError) as error:
        tenant.client.list_tags_for_resource(resourceArn=arn.format(region=tenant.region))
    assert code_of(error) == code


def test_p8_tags_have_their_limits(tenant: Tenant) -> None:
    arn, _ = arns(tenant)
    many = [{"key": f"key-{number}", "value": ""} for number in range(51)]
    with pytest.raises(ClientError) as error:
        tenant.client.tag_resource(resourceArn=arn, tags=many)
    assert code_of(error) == "TooManyTagsException"
    with pytest.raises(ClientError) as error:
        tenant.client.tag_resource(resourceArn=arn, tags=[{"key": "aws:x", "value": ""}])
    assert code_of(error) == "InvalidTagsException"
    tenant.client.tag_resource(resourceArn=arn, tags=many[:50])
    with pytest.raises(ClientError) as error:
        tenant.client.tag_resource(resourceArn=arn, tags=[{"key": "one-more", "value": ""}])
    assert code_of(error) == "TooManyTagsException"


ANOTHER_ACCOUNT = "111122223333"


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("tag_resource", {"tags": [{"key": "team", "value": "blue"}]}),
        ("untag_resource", {"tagKeys": ["team"]}),
        ("list_tags_for_resource", {}),
    ],
)
def test_an_arn_of_another_account_is_not_ones_own(
    tenant: Tenant, operation: str, more: dict[str, Any]
) -> None:
    created = tenant.server.hookline("credentials", "create", "--account", ANOTHER_ACCOUNT)
    key = dict(line.split() for line in created.stdout.splitlines())
    other = tenant.server.client(
        tenant.region, (key["aws_access_key_id"], key["aws_secret_access_key"])
    )
    for arn in arns(tenant):
        tenant.client.tag_resource(resourceArn=arn, tags=[{"key": "team", "value": "red"}])
        there = arn.replace("000000000000", ANOTHER_ACCOUNT)
        for client, named in ((other, arn), (tenant.client, there), (other, there)):
            with pytest.raises(ClientError) as error:
                getattr(client, operation)(resourceArn=named, **more)
            assert code_of(error) == "ResourceNotFoundException"
        assert tags_of(tenant, arn) == {"team": "red"}
