"""Clients of the API, Hookline's or AWS's, and what commands read through them."""

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from hookline import profile
from hookline.api.service import CODEBUILD, Service
from hookline.config import Settings
from hookline.declarations import projects
from hookline.declarations.resources import (
    Current,
    Declarations,
    Declared,
    Kind,
    Present,
    action_type_name,
    as_created,
    custom_types_of,
    projects_of,
)
from hookline.errors import HooklineError

if TYPE_CHECKING:
    from types_boto3_codebuild import CodeBuildClient
    from types_boto3_codepipeline import CodePipelineClient

_EXPLICIT = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SHARED_CREDENTIALS_FILE")
_CONFIG = Config(connect_timeout=10, retries={"mode": "standard"})
_MOST_PROJECTS = 100
"""That BatchGetProjects takes."""


class Api:
    """The API in one region, Hookline's at an address or AWS's: a client of each service.

    Raises what boto3 raises.
    """

    def __init__(
        self, core: botocore.session.Session, endpoint_url: str | None, region: str | None
    ) -> None:
        self._session = boto3.Session(botocore_session=core, region_name=region)
        self._endpoint_url = endpoint_url
        self.codepipeline: CodePipelineClient = self._session.client(
            "codepipeline", endpoint_url=endpoint_url, config=_CONFIG
        )

    @cached_property
    def codebuild(self) -> "CodeBuildClient":
        """CodeBuild's, which only some need."""
        return self._session.client("codebuild", endpoint_url=self._endpoint_url, config=_CONFIG)

    @property
    def endpoint_url(self) -> str:
        """Where it is."""
        return self.codepipeline.meta.endpoint_url

    @property
    def region(self) -> str:
        """Which region it is in."""
        return self.codepipeline.meta.region_name

    def call(self, service: Service, operation: str, parameters: Mapping[str, Any]) -> Any:
        """Call an operation, by its name in the model."""
        client = self.codebuild if service is CODEBUILD else self.codepipeline
        return getattr(client, xform_name(operation))(**parameters)


def hookline_api(
    settings: Settings,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    profile_name: str | None = None,
    environment: bool = True,
) -> Api:
    """The API of a running Hookline; never AWS itself.

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
        return Api(core, address, chosen)
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


def aws_api(profile_name: str, region: str | None, endpoint_url: str | None) -> Api:
    """The API of an AWS account, by the profile's own settings. Raises HooklineError."""
    core = botocore.session.Session()
    core.set_config_variable("profile", profile_name)
    try:
        return Api(core, endpoint_url, region)
    except (BotoCoreError, ValueError) as error:
        raise HooklineError(f"The profile {profile_name} can't be used: {error}") from error


def reason(api: Api, error: BotoCoreError | ClientError) -> str:
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
    if not needed or _is_aws(api):
        return text
    return f"{text.rstrip('.')}. {remedy}"


def _is_aws(api: Api) -> bool:
    host = urlsplit(api.endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def current(api: Api, declared: Declarations) -> Current:
    """What the server has of what is declared. Raises HooklineError."""
    pipelines, webhooks, types = map(declared.of, (Kind.PIPELINE, Kind.WEBHOOK, Kind.ACTION_TYPE))
    with_transitions = {item.name for item in pipelines if item.disabled is not None}
    uses_types = types or custom_types_of(item.declaration for item in pipelines)
    with _as_hookline_errors(api):
        return Current(
            projects=_projects(api, _names(declared.of(Kind.PROJECT))),
            pipelines=dict(_pipelines(api.codepipeline, _names(pipelines), with_transitions)),
            webhooks=_webhooks(api.codepipeline) if webhooks else {},
            action_types=_action_types(api.codepipeline) if uses_types else {},
        )


def _names(declared: Iterable[Declared]) -> list[str]:
    return [item.name for item in declared]


def everything(api: Api, *, unused_projects: bool = True) -> Current:
    """All that the account has in the region. Raises HooklineError.

    Without `unused_projects` build projects are only those that pipelines use.
    """
    with _as_hookline_errors(api):
        pages = api.codepipeline.get_paginator("list_pipelines").paginate()
        names = [item["name"] for page in pages for item in page["pipelines"]]
        pipelines = dict(_pipelines(api.codepipeline, names, ()))
        used = projects_of(item.declaration for item in pipelines.values())
        return Current(
            projects=_projects(api, _project_names(api) if unused_projects else sorted(used)),
            pipelines=pipelines,
            webhooks=_webhooks(api.codepipeline),
            action_types=_action_types(api.codepipeline),
        )


def _project_names(api: Api) -> list[str]:
    pages = api.codebuild.get_paginator("list_projects").paginate()
    return [name for page in pages for name in page["projects"]]


def _projects(api: Api, names: Sequence[str]) -> dict[str, Present]:
    """The projects of these names that are there, by name."""
    found: dict[str, Present] = {}
    for start in range(0, len(names), _MOST_PROJECTS):
        answer = api.codebuild.batch_get_projects(names=names[start : start + _MOST_PROJECTS])
        for project in answer["projects"]:
            declaration = projects.as_declared(project)
            tags = {tag["key"]: tag["value"] for tag in declaration.pop("tags", ())}
            found[project["name"]] = Present(
                declaration=declaration,
                tags=tags,
                arn=project["arn"],
                left_out=projects.left_out(project),
            )
    return found


@contextmanager
def _as_hookline_errors(api: Api) -> Iterator[None]:
    """Tell what went wrong in a call as a HooklineError."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise HooklineError(reason(api, error)) from error


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
