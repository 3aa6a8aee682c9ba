"""The nouns of Hookline as frozen values; nothing here does I/O or knows a wire format."""

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Scope:
    """The account and region that own a resource; all state is kept per scope (contract W6)."""

    account: str
    region: str

    def pipeline_arn(self, name: str) -> str:
        """The ARN of the pipeline `name` (contract W7)."""
        return f"arn:aws:codepipeline:{self.region}:{self.account}:{name}"

    def webhook_arn(self, name: str) -> str:
        """The ARN of the webhook `name` (contract W7)."""
        return f"arn:aws:codepipeline:{self.region}:{self.account}:webhook:{name}"


def new_id() -> str:
    """A new UUID of version 7; ids of one machine sort by the time they were made.

    The 12 bits after the milliseconds are a fraction of one (RFC 9562, 6.2, method 3).
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    noise = random.getrandbits(62)
    text = f"{milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | noise:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True)
class Credential:
    """One access key: its account, and its secret in clear."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account: str
    created_at: float


class Authentication(StrEnum):
    """How a webhook knows its senders (contract T2-T4)."""

    GITHUB_HMAC = "GITHUB_HMAC"
    IP = "IP"
    UNAUTHENTICATED = "UNAUTHENTICATED"


PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
"""`{Key}` in a filter's `match_equals` (contract T6)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One rule of a webhook: what `json_path` selects must equal `match_equals`."""

    json_path: str
    match_equals: str | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook's definition and state, its secrets in clear.

    Times are epoch seconds. `token` is the secret part of its URL.
    """

    id: int
    scope: Scope
    name: str
    target_pipeline: str
    target_action: str
    filters: tuple[Filter, ...]
    authentication: Authentication
    token: str = field(repr=False)
    secret_token: str | None = field(default=None, repr=False)
    allowed_ip_range: str | None = None
    last_triggered: float | None = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def arn(self) -> str:
        """The webhook's ARN."""
        return self.scope.webhook_arn(self.name)


@dataclass(frozen=True, slots=True)
class ActionType:
    """What an action does: `category · owner · provider · version`."""

    category: str
    owner: str
    provider: str
    version: str

    def __str__(self) -> str:
        return f"{self.category} · {self.owner} · {self.provider} · {self.version}"


@dataclass(frozen=True, slots=True)
class OutputArtifact:
    """A named archive that an action makes; `files` are glob patterns, none means everything."""

    name: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a stage, as declared."""

    name: str
    type: ActionType
    run_order: int = 1
    configuration: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    input_artifacts: tuple[str, ...] = ()
    output_artifacts: tuple[OutputArtifact, ...] = ()
    timeout_minutes: int | None = None
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a pipeline: actions of one run order go in parallel, run orders in turn."""

    name: str
    actions: tuple[Action, ...]


class ExecutionMode(StrEnum):
    """What happens when an execution reaches a stage that another one occupies."""

    SUPERSEDED = "SUPERSEDED"
    QUEUED = "QUEUED"
    PARALLEL = "PARALLEL"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One version of a pipeline. `declaration` is the definition in the API's own shape."""

    id: int
    scope: Scope
    name: str
    version: int
    execution_mode: ExecutionMode
    stages: tuple[Stage, ...]
    declaration: Mapping[str, Any]
    created_at: float
    updated_at: float

    @property
    def arn(self) -> str:
        """The pipeline's ARN."""
        return self.scope.pipeline_arn(self.name)


def stages_of(declaration: Mapping[str, Any]) -> tuple[Stage, ...]:
    """The stages of a checked PipelineDeclaration: the one place that reads its camelCase."""
    return tuple(
        Stage(stage["name"], tuple(_action_of(action) for action in stage["actions"]))
        for stage in declaration["stages"]
    )


def _action_of(action: Mapping[str, Any]) -> Action:
    kind = action["actionTypeId"]
    return Action(
        name=action["name"],
        type=ActionType(kind["category"], kind["owner"], kind["provider"], kind["version"]),
        run_order=action.get("runOrder", 1),
        configuration=action.get("configuration", {}),
        commands=tuple(action.get("commands", ())),
        input_artifacts=tuple(artifact["name"] for artifact in action.get("inputArtifacts", ())),
        output_artifacts=tuple(
            OutputArtifact(artifact["name"], tuple(artifact.get("files", ())))
            for artifact in action.get("outputArtifacts", ())
        ),
        timeout_minutes=action.get("timeoutInMinutes"),
        environment=tuple(
            (variable["name"], variable["value"])
            for variable in action.get("environmentVariables", ())
        ),
    )


class ExecutionStatus(StrEnum):
    """The status of a pipeline execution, in AWS's words."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    SUCCEEDED = "Succeeded"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class StageStatus(StrEnum):
    """The status of a stage execution, in AWS's words."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"


class ActionStatus(StrEnum):
    """The status of an action execution, in AWS's words."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABANDONED = "Abandoned"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why an execution started: `type` and `detail` as AWS's ExecutionTrigger."""

    type: str
    detail: str


@dataclass(frozen=True, slots=True)
class SourceRevision:
    """A revision of a source action: for git, the commit id, its message and its page."""

    action_name: str
    revision_id: str
    summary: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """A pipeline execution. Times are epoch seconds."""

    id: str
    pipeline_id: int
    pipeline_version: int
    status: ExecutionStatus
    mode: ExecutionMode
    trigger: Trigger
    source_revisions: tuple[SourceRevision, ...]
    started_at: float
    updated_at: float
    status_summary: str | None = None


class Verdict(Enum):
    """What became of a delivery: the outcome, the HTTP status, and the reason in words."""

    STARTED = ("started", 200, "an execution of the pipeline started")
    FILTERED = ("filtered", 200, "a filter did not match")
    DUPLICATE = ("duplicate", 200, "the same event has already started an execution")
    PING = ("ping", 200, "GitHub's ping is answered and starts nothing")
    BAD_SIGNATURE = ("refused", 401, "the signature does not match the body")
    NO_SIGNATURE = ("refused", 401, "no X-Hub-Signature-256 or X-Hub-Signature header")
    ADDRESS_NOT_ALLOWED = ("refused", 403, "the sender's address is outside the allowed range")
    UNKNOWN_TOKEN = ("refused", 404, "no webhook has this URL")
    NOT_POST = ("refused", 405, "only POST is accepted here")
    TOO_SLOW = ("refused", 408, "the body did not arrive in time")
    TOO_LARGE = ("refused", 413, "the body is larger than accepted")
    BAD_ENCODING = ("refused", 415, "a content encoding is not accepted; send the body as it is")
    NOT_JSON = ("refused", 400, "the body is not JSON")
    OVER_RATE = ("refused", 429, "too many deliveries; try again later")
    NO_TARGET = ("refused", 409, "the webhook's pipeline or action no longer exists")
    UNAVAILABLE = ("refused", 503, "the store can't take the delivery now; try again")

    def __init__(self, outcome: str, status: int, reason: str) -> None:
        self.outcome = outcome
        self.status = status
        self.reason = reason

    @property
    def refused(self) -> bool:
        """Whether the delivery was turned away: then its body is not kept."""
        return self.outcome == "refused"
