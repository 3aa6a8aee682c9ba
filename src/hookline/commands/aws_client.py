"""A client of the API, Hookline's or AWS's, and what commands read through it."""

import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from hookline import profile
from hookline.config import Settings
from hookline.declarations.resources import (
    Current,
    Declarations,
    Kind,
    Present,
    action_type_name,
    as_created,
    custom_types_of,
)
from hookline.errors import HooklineError

if TYPE_CHECKING:
    from types_boto3_codepipeline import CodePipelineClient

_EXPLICIT = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SHARED_CREDENTIALS_FILE")


def hookline_client(
    settings: Settings,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    profile_name: str | None = None,
    environment: bool = True,
) -> "CodePipelineClient":
    """A client of a running Hookline; never one of AWS itself.

    The credentials are those of the profile, or with `environment` those that AWS's variables name,
    else the data folder's; the address and the region are the given ones, else those of the
    credentials' own configuration, else the settings'. Raises HooklineError.
    """
    core = botocore.session.Session()
    if profile_name is not None:
        core.set_config_variable("profile", profile_name)
    elif not (environment and any(map(os.environ.get, _EXPLICIT))):
        _use_data_folder(core, settings)
    try:
        # Always a definite address: a profile without one would lead to AWS.
        address = endpoint_url or _configured_address(core, settings)
        chosen = region or core.get_config_variable("region") or settings.region
        return _client(core, address, chosen)
    except (BotoCoreError, ValueError) as error:
        raise HooklineError(f"The API can't be called: {error}") from error


def _use_data_folder(core: botocore.session.Session, settings: Settings) -> None:
    credentials = profile.credentials_file(settings)
    if not credentials.exists():
        raise HooklineError(
            f"There is no {credentials}. Start `hookline serve` once, "
            "name its data folder with HOOKLINE_DATA_DIR, or give --profile."
        )
    core.set_config_variable("credentials_file", str(credentials))
    core.set_config_variable("config_file", str(profile.config_file(settings)))
    core.set_config_variable("profile", "default")


def _configured_address(core: botocore.session.Session, settings: Settings) -> str:
    """The address in AWS's variables or in the profile, else the settings'."""
    provider = ConfiguredEndpointProvider(
        full_config=core.full_config,
        scoped_config=core.get_scoped_config(),
        client_name="codepipeline",
    )
    found: str | None = provider.provide()
    return found or settings.endpoint_url


def aws_client(
    profile_name: str, region: str | None, endpoint_url: str | None
) -> "CodePipelineClient":
    """A client of an AWS account, by the profile's own settings. Raises HooklineError."""
    core = botocore.session.Session()
    core.set_config_variable("profile", profile_name)
    try:
        return _client(core, endpoint_url, region)
    except (BotoCoreError, ValueError) as error:
        raise HooklineError(f"The profile {profile_name} can't be used: {error}") from error


def _client(
    core: botocore.session.Session, endpoint_url: str | None, region: str | None
) -> "CodePipelineClient":
    session = boto3.Session(botocore_session=core, region_name=region)
    return session.client(
        "codepipeline",
        endpoint_url=endpoint_url,
        config=Config(connect_timeout=10, retries={"mode": "standard"}),
    )


def reason(client: "CodePipelineClient", error: BotoCoreError | ClientError) -> str:
    """What went wrong, as the server said it; with what to do where Hookline can't be reached."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        text = f"{details.get('Code', '')}: {details.get('Message', '')}"
        remedy = (
            f"Are the credentials this server's? Unset {', '.join(_EXPLICIT)} to use the data "
            "folder's, or give --profile."
        )
        needed = details.get("Code") in {"UnrecognizedClientException", "InvalidSignatureException"}
    else:
        text = str(error)
        remedy = "Does `hookline serve` run there? Else give --endpoint-url."
        needed = isinstance(error, EndpointConnectionError)
    if not needed or _is_aws(client):
        return text
    return f"{text.rstrip('.')}. {remedy}"


def _is_aws(client: "CodePipelineClient") -> bool:
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def current(client: "CodePipelineClient", declared: Declarations) -> Current:
    """What the server has of what is declared. Raises HooklineError."""
    pipelines, webhooks, types = map(declared.of, (Kind.PIPELINE, Kind.WEBHOOK, Kind.ACTION_TYPE))
    with_transitions = {item.name for item in pipelines if item.disabled is not None}
    uses_types = types or custom_types_of(item.declaration for item in pipelines)
    with _as_hookline_errors(client):
        return Current(
            pipelines=dict(_pipelines(client, [item.name for item in pipelines], with_transitions)),
            webhooks=_webhooks(client) if webhooks else {},
            action_types=_action_types(client) if uses_types else {},
        )


def everything(client: "CodePipelineClient") -> Current:
    """All that the account has in the region. Raises HooklineError."""
    with _as_hookline_errors(client):
        pages = client.get_paginator("list_pipelines").paginate()
        names = [item["name"] for page in pages for item in page["pipelines"]]
        return Current(
            pipelines=dict(_pipelines(client, names, ())),
            webhooks=_webhooks(client),
            action_types=_action_types(client),
        )


@contextmanager
def _as_hookline_errors(client: "CodePipelineClient") -> Iterator[None]:
    """Tell what went wrong in a call as a HooklineError."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise HooklineError(reason(client, error)) from error


def _pipelines(
    client: "CodePipelineClient", names: Iterable[str], with_transitions: Container[str]
) -> Iterator[tuple[str, Present]]:
    for name in names:
        try:
            answer = client.get_pipeline(name=name)
        except client.exceptions.PipelineNotFoundException:
            continue
        arn = answer["metadata"]["pipelineArn"]
        pages = client.get_paginator("list_tags_for_resource").paginate(resourceArn=arn)
        declaration: dict[str, Any] = {**answer["pipeline"]}
        version = declaration.pop("version", 0)
        yield (
            name,
            Present(
                declaration=declaration,
                tags={tag["key"]: tag["value"] for page in pages for tag in page["tags"]},
                arn=arn,
                version=version,
                disabled=_disabled(client, name) if name in with_transitions else {},
            ),
        )


def _disabled(client: "CodePipelineClient", name: str) -> dict[str, str]:
    stages = client.get_pipeline_state(name=name).get("stageStates", [])
    transitions = {stage["stageName"]: stage.get("inboundTransitionState", {}) for stage in stages}
    return {
        stage_name: transition.get("disabledReason", "")
        for stage_name, transition in transitions.items()
        if not transition.get("enabled", True)
    }


def _webhooks(client: "CodePipelineClient") -> dict[str, Present]:
    """All webhooks of the account and region, by name. Raises what boto3 raises."""
    pages = client.get_paginator("list_webhooks").paginate()
    return {
        item["definition"]["name"]: Present(
            declaration={**item["definition"]},
            tags={tag["key"]: tag["value"] for tag in item.get("tags", [])},
            arn=item.get("arn", ""),
            failed="errorCode" in item,
            url=item["url"],
        )
        for page in pages
        for item in page["webhooks"]
    }


def _action_types(client: "CodePipelineClient") -> dict[str, Present]:
    pages = client.get_paginator("list_action_types").paginate(actionOwnerFilter="Custom")
    return {
        action_type_name(item["id"]): Present(declaration=as_created(item))
        for page in pages
        for item in page["actionTypes"]
    }
