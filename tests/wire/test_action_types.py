"""Custom action types: registered, listed, deleted and restored, through boto3."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.server import Server
from support.tenant import Tenant, action_type, source

DEPLOYER: dict[str, Any] = {
    "category": "Deploy",
    "provider": "Shipper",
    "version": "1",
    "settings": {
        "entityUrlTemplate": "https://ship.example.com/{Config:Project}/",
        "executionUrlTemplate": "https://ship.example.com/{Config:Project}/{ExternalExecutionId}",
        "thirdPartyConfigurationUrl": "https://ship.example.com/sign-up",
    },
    "configurationProperties": [
        {
            "name": "Project",
            "required": True,
            "key": True,
            "secret": False,
            "queryable": True,
            "description": "What is shipped",
            "type": "String",
        },
        {"name": "Token", "required": True, "key": False, "secret": True},
        {"name": "Note", "required": False, "key": False, "secret": False},
    ],
    "inputArtifactDetails": {"minimumCount": 0, "maximumCount": 1},
    "outputArtifactDetails": {"minimumCount": 0, "maximumCount": 1},
}
ID = {"category": "Deploy", "provider": "Shipper", "version": "1"}


def ship(**configuration: str) -> tuple[str, dict[str, Any]]:
    """A stage with one action of the type DEPLOYER."""
    action = {
        "name": "Ship",
        "actionTypeId": action_type("Deploy", "Custom", "Shipper"),
        "configuration": {"Project": "shop", "Token": "hush", **configuration},
    }
    return ("Deploy", action)


def listed(tenant: Tenant, **filters: str) -> list[dict[str, Any]]:
    pages = tenant.client.get_paginator("list_action_types").paginate(**filters)
    return [item for page in pages for item in page["actionTypes"]]


def message(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Message"])


def test_a_custom_action_type_is_answered_as_it_was_created(tenant: Tenant) -> None:
    tags = [{"key": "team", "value": "red"}]
    created = tenant.client.create_custom_action_type(**DEPLOYER, tags=tags)
    assert created["tags"] == tags
    shown = created["actionType"]
    assert shown["id"] == {**ID, "owner": "Custom"}
    assert shown["settings"] == DEPLOYER["settings"]
    assert shown["inputArtifactDetails"] == DEPLOYER["inputArtifactDetails"]
    assert shown["outputArtifactDetails"] == DEPLOYER["outputArtifactDetails"]
    assert shown["actionConfigurationProperties"] == [
        {"queryable": False, **item} for item in DEPLOYER["configurationProperties"]
    ]
    assert listed(tenant, actionOwnerFilter="Custom") == [shown]


def test_the_list_has_the_types_of_aws_and_filters(tenant: Tenant, server: Server) -> None:
    tenant.client.create_custom_action_type(**DEPLOYER)
    everything = listed(tenant)
    owners = [item["id"]["owner"] for item in everything]
    assert {owner: owners.count(owner) for owner in owners}["Custom"] == 1
    for owner in ("AWS", "ThirdParty", "Custom"):
        wanted = [item for item in everything if item["id"]["owner"] == owner]
        assert listed(tenant, actionOwnerFilter=owner) == wanted
        assert wanted
    [github] = [item for item in everything if item["id"]["provider"] == "GitHub"]
    token = next(
        item for item in github["actionConfigurationProperties"] if item["name"] == "OAuthToken"
    )
    assert token == {
        "name": "OAuthToken",
        "required": True,
        "key": True,
        "secret": True,
        "queryable": False,
    }
    assert github["outputArtifactDetails"] == {"minimumCount": 1, "maximumCount": 1}
    elsewhere = Tenant(server, tenant.github)
    assert listed(elsewhere, actionOwnerFilter="Custom") == []
    asked = listed(elsewhere, actionOwnerFilter="Custom", regionFilter=tenant.region)
    assert [item["id"]["provider"] for item in asked] == ["Shipper"]


def test_a_region_has_at_most_50_and_lists_them_by_page(tenant: Tenant) -> None:
    for number in range(50):
        tenant.client.create_custom_action_type(**{**DEPLOYER, "version": f"v{number:02}"})
    with pytest.raises(tenant.client.exceptions.LimitExceededException, match="Delete one"):
        tenant.client.create_custom_action_type(**DEPLOYER)
    first = tenant.client.list_action_types()
    assert len(first["actionTypes"]) == 50
    ids = [tuple(item["id"].values()) for item in listed(tenant)]
    assert len(set(ids)) == len(ids) > 50
    with pytest.raises(tenant.client.exceptions.InvalidNextTokenException):
        tenant.client.list_action_types(nextToken=first["nextToken"], actionOwnerFilter="AWS")
    tenant.client.delete_custom_action_type(**{**ID, "version": "v07"})
    tenant.client.create_custom_action_type(**DEPLOYER)


def test_a_deleted_version_is_restored_by_the_same_definition_only(tenant: Tenant) -> None:
    tenant.client.create_custom_action_type(**DEPLOYER)
    with pytest.raises(tenant.client.exceptions.ValidationException) as caught:
        tenant.client.create_custom_action_type(**DEPLOYER)
    assert "already exists" in message(caught)
    for _ in range(2):
        tenant.client.delete_custom_action_type(**ID)
    assert listed(tenant, actionOwnerFilter="Custom") == []
    other = {**DEPLOYER, "outputArtifactDetails": {"minimumCount": 0, "maximumCount": 5}}
    with pytest.raises(tenant.client.exceptions.ValidationException) as caught:
        tenant.client.create_custom_action_type(**other)
    assert "never used before" in message(caught)
    tenant.client.create_custom_action_type(**DEPLOYER)
    assert len(listed(tenant, actionOwnerFilter="Custom")) == 1


def changed(**changes: Any) -> dict[str, Any]:
    return {**DEPLOYER, **changes}


def properties(*items: tuple[str, str]) -> list[dict[str, Any]]:
    """Configuration properties as (name, flags): r is required, s secret, q queryable."""
    return [
        {
            "name": name,
            "required": "r" in flags,
            "key": False,
            "secret": "s" in flags,
            "queryable": "q" in flags,
        }
        for name, flags in items
    ]


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (
            changed(outputArtifactDetails={"minimumCount": 2, "maximumCount": 1}),
            "minimumCount of outputArtifactDetails (2)",
        ),
        (
            changed(configurationProperties=properties(("A", ""), ("A", "r")), settings={}),
            "'A' more than once",
        ),
        (
            changed(configurationProperties=properties(("A", "rq"), ("B", "rq")), settings={}),
            "more than one queryable property: A, B",
        ),
        (
            changed(configurationProperties=properties(("A", "q")), settings={}),
            "'A' is queryable, so it must be required",
        ),
        (
            changed(configurationProperties=properties(("A", "rsq")), settings={}),
            "not secret",
        ),
        (
            # Sealed in every action: no worker could ask for the jobs of a value.
            changed(configurationProperties=properties(("OAuthToken", "rq")), settings={}),
            "'OAuthToken' is queryable, so it must be required and not secret",
        ),
        (
            changed(settings={"entityUrlTemplate": "https://example.com/{Config:Token}"}),
            "settings.entityUrlTemplate refers to {Config:Token}",
        ),
        (
            changed(settings={"executionUrlTemplate": "https://example.com/{Config:Note}"}),
            "no configuration property 'Note' that is required and not secret",
        ),
        (
            changed(settings={"revisionUrlTemplate": "javascript:alert(1)"}),
            "settings.revisionUrlTemplate is not the address of a page",
        ),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(
    tenant: Tenant, definition: dict[str, Any], words: str
) -> None:
    with pytest.raises(tenant.client.exceptions.ValidationException) as caught:
        tenant.client.create_custom_action_type(**definition)
    assert words in message(caught)
    assert listed(tenant, actionOwnerFilter="Custom") == []


def test_p8_tags_of_action_types_have_their_limits(tenant: Tenant) -> None:
    errors = tenant.client.exceptions
    many = [{"key": f"key-{number}", "value": ""} for number in range(51)]
    for error, tags in (
        (errors.TooManyTagsException, many),
        (errors.InvalidTagsException, [{"key": "aws:x", "value": ""}]),
    ):
        with pytest.raises(error):
            tenant.client.create_custom_action_type(**DEPLOYER, tags=tags)
    assert listed(tenant, actionOwnerFilter="Custom") == []


def test_tags_of_an_action_type_end_with_it(tenant: Tenant) -> None:
    tags = [{"key": "team", "value": "red"}]
    tenant.client.create_custom_action_type(**DEPLOYER, tags=tags)
    arn = f"arn:aws:codepipeline:{tenant.region}:000000000000:actiontype:Custom/Deploy/Shipper/1"
    more = [{"key": "cost", "value": "low"}]
    tenant.client.tag_resource(resourceArn=arn, tags=more)
    assert tenant.client.list_tags_for_resource(resourceArn=arn)["tags"] == [*more, *tags]
    for absent in (arn[:-1] + "2", arn.replace("Custom", "AWS"), arn.removesuffix("/1")):
        with pytest.raises(tenant.client.exceptions.ResourceNotFoundException):
            tenant.client.list_tags_for_resource(resourceArn=absent)
    tenant.client.delete_custom_action_type(**ID)
    with pytest.raises(tenant.client.exceptions.ResourceNotFoundException):
        tenant.client.list_tags_for_resource(resourceArn=arn)
    tenant.client.create_custom_action_type(**DEPLOYER)
    assert tenant.client.list_tags_for_resource(resourceArn=arn)["tags"] == []


def test_secrets_of_a_custom_action_are_sealed_masked_and_kept(tenant: Tenant) -> None:
    tenant.client.create_custom_action_type(**DEPLOYER)
    name = tenant.pipeline(ship(), source_action=source("nobody", "nothing"))
    shown = tenant.client.get_pipeline(name=name)["pipeline"]
    configuration = shown["stages"][1]["actions"][0]["configuration"]
    assert configuration == {"Project": "shop", "Token": "****"}
    updated = tenant.client.update_pipeline(pipeline=shown)["pipeline"]
    assert updated["stages"][1]["actions"][0]["configuration"] == configuration
    with pytest.raises(tenant.client.exceptions.InvalidActionDeclarationException) as caught:
        tenant.pipeline(ship(Token="****"), source_action=source("nobody", "nothing"))
    assert "Give the secret itself" in message(caught)
    files = [path.read_bytes() for path in tenant.server.data.glob("*.db*")]
    assert files
    assert not any(b"hush" in content for content in files)


def test_a_deleted_type_can_be_in_no_new_pipeline(tenant: Tenant) -> None:
    for _ in range(2):
        with pytest.raises(tenant.client.exceptions.InvalidActionDeclarationException) as caught:
            tenant.pipeline(ship(), source_action=source("nobody", "nothing"))
        assert "Register it with CreateCustomActionType" in message(caught)
        tenant.client.create_custom_action_type(**DEPLOYER)
        tenant.client.delete_custom_action_type(**ID)


def test_types_of_integration_models_are_not_found(tenant: Tenant) -> None:
    kind = action_type("Source", "ThirdParty", "GitHub")
    errors = tenant.client.exceptions
    with pytest.raises(errors.ActionTypeNotFoundException, match="ListActionTypes"):
        tenant.client.get_action_type(**kind)
    declared = {
        "id": kind,
        "executor": {"type": "JobWorker", "configuration": {}},
        "inputArtifactDetails": {"minimumCount": 0, "maximumCount": 0},
        "outputArtifactDetails": {"minimumCount": 0, "maximumCount": 0},
    }
    with pytest.raises(errors.ActionTypeNotFoundException, match="ListActionTypes"):
        tenant.client.update_action_type(actionType=declared)
