"""The nouns of Hookline as frozen values; nothing here does I/O or knows a wire format."""

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

_PARTITIONS = {
    "cn-": "aws-cn",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
}
"""How the regions begin that are not in AWS's partition `aws`, and the partition of each."""


def partition_of(region: str) -> str:
    """AWS's partition of a region: the second part of an ARN (contract X11)."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


@dataclass(frozen=True, slots=True)
class Scope:
    """The account and region that own a resource; all state is kept per scope (contract W6)."""

    account: str
    region: str

    def pipeline_arn(self, name: str) -> str:
        """The ARN of the pipeline `name` (contract W7)."""
        return self._arn(name)

    def webhook_arn(self, name: str) -> str:
        """The ARN of the webhook `name` (contract W7)."""
        return self._arn(f"webhook:{name}")

    def action_type_arn(self, kind: "ActionType") -> str:
        """The ARN of the custom action type `kind`."""
        path = f"{kind.owner}/{kind.category}/{kind.provider}/{kind.version}"
        return self._arn(f"actiontype:{path}")

    def build_project_arn(self, name: str) -> str:
        """The ARN of CodeBuild's project `name`."""
        return self._arn(f"project/{name}", "codebuild")

    def build_arn(self, build_id: str) -> str:
        """The ARN of the build `build_id`, `project:uuid`."""
        return self._arn(f"build/{build_id}", "codebuild")

    def user_arn(self, name: str) -> str:
        """The ARN of the account's user `name`."""
        return f"arn:{self.partition}:iam::{self.account}:user/{name}"

    @property
    def root_arn(self) -> str:
        """The ARN of the account itself."""
        return f"arn:{self.partition}:iam::{self.account}:root"

    @property
    def partition(self) -> str:
        """AWS's partition of the region."""
        return partition_of(self.region)

    def _arn(self, resource: str, service: str = "codepipeline") -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def new_id() -> str:
    """A new UUID of version 7; ids of one machine sort by the time they were made.

    The 12 bits after the milliseconds are a fraction of one (RFC 9562, 6.2, method 3).
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    noise = random.getrandbits(62)
    text = f"{milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | noise:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def first_id_at(moment: float) -> str:
    """The least id that can have been made at `moment`, in epoch seconds."""
    digits = f"{max(0, int(moment * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}"


@dataclass(frozen=True, slots=True)
class Credential:
    """One access key: its account, and its secret in clear. Times are epoch seconds.

    A `disabled` key signs nothing, a `read_only` one no call that changes anything. `last_used` is
    right to the minute.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account: str
    created_at: float
    read_only: bool = False
    disabled: bool = False
    description: str = ""
    last_used: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether every call may be signed with it."""
        return not (self.disabled or self.read_only)


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials of the access key `issuer`; `expires_at` is in epoch seconds.

    Who signs with them may do what the key may, as long as it is there and not disabled.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    issuer: str
    expires_at: float


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

    Times are epoch seconds. `token` is the secret part of its URL. While it is registered with
    GitHub, `github_hook_id` is the hook's id there, in `github_repository` (`owner/name`).
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
    github_hook_id: int | None = None
    github_repository: str | None = None

    @property
    def arn(self) -> str:
        """The webhook's ARN."""
        return self.scope.webhook_arn(self.name)

    @property
    def registration(self) -> "Registration | None":
        """What it has at GitHub; None while it is not registered."""
        if self.github_hook_id is None or self.github_repository is None:
            return None
        return Registration(
            self.arn,
            self.github_hook_id,
            self.github_repository,
            self.target_pipeline,
            self.target_action,
        )

    def is_registered_in(self, repository: str) -> bool:
        """Whether its hook is in `repository`; GitHub's names know no capital letters."""
        return (self.github_repository or "").casefold() == repository.casefold()


@dataclass(frozen=True, slots=True)
class Registration:
    """What a webhook has at GitHub: the hook `hook_id` in `repository` (`owner/name`).

    The target is the webhook's, whose configuration holds the token for it.
    """

    arn: str
    hook_id: int
    repository: str
    target_pipeline: str
    target_action: str


@dataclass(frozen=True, slots=True, order=True)
class ActionType:
    """What an action does: `category · owner · provider · version`."""

    category: str
    owner: str
    provider: str
    version: str

    def __str__(self) -> str:
        return f"{self.category} · {self.owner} · {self.provider} · {self.version}"

    @property
    def path(self) -> str:
        """It as ARNs and settings write it."""
        return f"{self.category}/{self.owner}/{self.provider}/{self.version}"

    @classmethod
    def of(cls, identifier: Mapping[str, str]) -> "ActionType":
        """The action type of an ActionTypeId."""
        return cls(**{name: identifier[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class OutputArtifact:
    """A named archive that an action makes; `files` are glob patterns, none means everything."""

    name: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a stage, as declared.

    `secret_variables` are the names of those of `environment` whose values are names of secrets in
    AWS Secrets Manager.
    """

    name: str
    type: ActionType
    run_order: int = 1
    configuration: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    input_artifacts: tuple[str, ...] = ()
    output_artifacts: tuple[OutputArtifact, ...] = ()
    timeout_minutes: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    secret_variables: tuple[str, ...] = ()
    namespace: str | None = None
    output_variables: tuple[str, ...] = ()


class ConditionType(StrEnum):
    """When a condition of a stage is checked, in AWS's words."""

    BEFORE_ENTRY = "BEFORE_ENTRY"
    ON_SUCCESS = "ON_SUCCESS"
    ON_FAILURE = "ON_FAILURE"


class Result(StrEnum):
    """What a stage does when a condition of it fails, in AWS's words."""

    FAIL = "FAIL"
    SKIP = "SKIP"
    ROLLBACK = "ROLLBACK"
    RETRY = "RETRY"


@dataclass(frozen=True, slots=True)
class Condition:
    """Rules that must all succeed, or `result` follows; a rule has the shape of an action."""

    rules: tuple[Action, ...]
    result: Result = Result.FAIL


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a pipeline: actions of one run order go in parallel, run orders in turn.

    `after_failure` is what follows a failure that no condition has been asked about; an automatic
    retry runs all actions again unless it `retries_only_failed`.
    """

    name: str
    actions: tuple[Action, ...]
    conditions: Mapping[ConditionType, Condition] = field(default_factory=dict)
    after_failure: Result = Result.FAIL
    retries_only_failed: bool = True

    @property
    def retries_automatically(self) -> bool:
        """Whether a failure can be followed by an automatic retry."""
        condition = self.conditions.get(ConditionType.ON_FAILURE)
        on_condition = None if condition is None else condition.result
        return Result.RETRY in {self.after_failure, on_condition}


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

    @property
    def artifact_store(self) -> Mapping[str, Any]:
        """The ArtifactStore that is declared for the pipeline's region."""
        stores = self.declaration.get("artifactStores", {})
        store: Mapping[str, Any] = self.declaration.get(
            "artifactStore", stores.get(self.scope.region, {})
        )
        return store

    def source_action(self, name: str) -> Action | None:
        """The action `name` of the first stage: what a webhook may aim at (contract P5)."""
        return next((action for action in self.stages[0].actions if action.name == name), None)

    def action(self, stage_name: str, action_name: str) -> Action:
        """An action of the pipeline that is there."""
        return next(
            action
            for stage in self.stages
            for action in stage.actions
            if (stage.name, action.name) == (stage_name, action_name)
        )

    def stage(self, name: str) -> Stage:
        """A stage of the pipeline that is there."""
        return next(stage for stage in self.stages if stage.name == name)

    def stage_after(self, stage_name: str) -> str | None:
        """The name of the stage that follows the stage `stage_name`; None after the last one."""
        names = [stage.name for stage in self.stages]
        following = names[names.index(stage_name) + 1 :]
        return following[0] if following else None


def stages_of(declaration: Mapping[str, Any]) -> tuple[Stage, ...]:
    """The stages of a checked PipelineDeclaration: the one place that reads its camelCase."""
    return tuple(_stage_of(stage) for stage in declaration["stages"])


def _stage_of(stage: Mapping[str, Any]) -> Stage:
    on_failure = stage.get("onFailure") or {}
    after_failure = Result(on_failure.get("result", Result.FAIL))
    defaults = {ConditionType.ON_FAILURE: after_failure}
    return Stage(
        name=stage["name"],
        actions=tuple(_action_of(action, action["actionTypeId"]) for action in stage["actions"]),
        conditions={
            kind: _condition_of(condition, defaults.get(kind, Result.FAIL))
            for kind, member in CONDITION_MEMBERS.items()
            for condition in (stage.get(member) or {}).get("conditions", ())
        },
        after_failure=after_failure,
        retries_only_failed=on_failure.get("retryConfiguration", {}).get("retryMode")
        != "ALL_ACTIONS",
    )


def _condition_of(condition: Mapping[str, Any], default: Result) -> Condition:
    return Condition(
        tuple(_action_of(rule, rule["ruleTypeId"]) for rule in condition.get("rules", ())),
        Result(condition.get("result", default)),
    )


CONDITION_MEMBERS = {
    ConditionType.BEFORE_ENTRY: "beforeEntry",
    ConditionType.ON_SUCCESS: "onSuccess",
    ConditionType.ON_FAILURE: "onFailure",
}
"""The members of a StageDeclaration that hold conditions: one of each type at most."""


def _action_of(action: Mapping[str, Any], kind: Mapping[str, Any]) -> Action:
    # The type of a rule may leave out what has one value only.
    return Action(
        name=action["name"],
        type=ActionType.of({"owner": "AWS", "version": "1", **kind}),
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
        secret_variables=tuple(
            variable["name"]
            for variable in action.get("environmentVariables", ())
            if variable.get("type") == "SECRETS_MANAGER"
        ),
        namespace=action.get("namespace"),
        output_variables=tuple(action.get("outputVariables", ())),
    )


def variables_of(declaration: Mapping[str, Any]) -> dict[str, str | None]:
    """The variables of a checked PipelineDeclaration: name → default, None without one."""
    return {
        variable["name"]: variable.get("defaultValue")
        for variable in declaration.get("variables") or ()
    }


class PullRequestEvent(StrEnum):
    """What a git trigger can ask of a pull request, in AWS's words; merged is closed, too."""

    OPEN = "OPEN"
    UPDATED = "UPDATED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Patterns:
    """Glob patterns of a git trigger: no includes take everything, and excludes win."""

    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PushFilter:
    """Pushes that start a pipeline: of tags where `tags` is given, else of branches."""

    branches: Patterns | None = None
    tags: Patterns | None = None
    file_paths: Patterns | None = None


@dataclass(frozen=True, slots=True)
class PullRequestFilter:
    """Pull requests that start a pipeline; `branches` are those that they are to go into."""

    events: tuple[PullRequestEvent, ...] = tuple(PullRequestEvent)
    branches: Patterns | None = None
    file_paths: Patterns | None = None


@dataclass(frozen=True, slots=True)
class GitTrigger:
    """What starts a pipeline by a source action: any of the filters."""

    source_action: str
    pushes: tuple[PushFilter, ...] = ()
    pull_requests: tuple[PullRequestFilter, ...] = ()


def triggers_of(declaration: Mapping[str, Any]) -> tuple[GitTrigger, ...]:
    """The git triggers of a checked PipelineDeclaration."""
    found = (trigger["gitConfiguration"] for trigger in declaration.get("triggers") or ())
    return tuple(
        GitTrigger(
            source_action=git["sourceActionName"],
            pushes=tuple(
                PushFilter(
                    _patterns_of(item, "branches"),
                    _patterns_of(item, "tags"),
                    _patterns_of(item, "filePaths"),
                )
                for item in git.get("push", ())
            ),
            pull_requests=tuple(
                PullRequestFilter(
                    tuple(map(PullRequestEvent, item.get("events", PullRequestEvent))),
                    _patterns_of(item, "branches"),
                    _patterns_of(item, "filePaths"),
                )
                for item in git.get("pullRequest", ())
            ),
        )
        for git in found
    )


def _patterns_of(declared: Mapping[str, Any], key: str) -> Patterns | None:
    if key not in declared:
        return None
    patterns = declared[key]
    return Patterns(tuple(patterns.get("includes", ())), tuple(patterns.get("excludes", ())))


class ExecutionStatus(StrEnum):
    """The status of a pipeline execution, in AWS's words."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    SUCCEEDED = "Succeeded"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self not in {ExecutionStatus.IN_PROGRESS, ExecutionStatus.STOPPING}


class StageStatus(StrEnum):
    """The status of a stage execution, in AWS's words."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"
    SKIPPED = "Skipped"


class RetryTrigger(StrEnum):
    """Who had a stage run again, in AWS's words."""

    AUTOMATED = "AutomatedStageRetry"
    MANUAL = "ManualStageRetry"


DEFAULT_LABEL = "default"
"""The label of the nodes that run actions which ask for none."""

LONGEST_LABEL = 100
"""The most characters that a label has."""


class ConditionStatus(StrEnum):
    """The status of a condition of a stage execution, in AWS's words."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERRORED = "Errored"
    ABANDONED = "Abandoned"
    OVERRIDDEN = "Overridden"


class ActionStatus(StrEnum):
    """The status of an action execution or a rule execution, in AWS's words."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABANDONED = "Abandoned"

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self is not ActionStatus.IN_PROGRESS


class JobStatus(StrEnum):
    """The status of a job, in AWS's words."""

    QUEUED = "Queued"
    DISPATCHED = "Dispatched"
    IN_PROGRESS = "InProgress"
    TIMED_OUT = "TimedOut"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why an execution started: `type` and `detail` as AWS's ExecutionTrigger."""

    type: str
    detail: str


COMMIT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""A whole id of a git commit, in either of git's object formats."""


@dataclass(frozen=True, slots=True)
class SourceRevision:
    """A revision of a source action: for git, the commit id, its message and its page.

    `change_id` and `created` (epoch seconds) are what a person or a job worker told of it.
    One that a signed event names counts only if it is reachable from the action's branch or from
    one of the refs `reachable_from` (contract X3). That is None where a key's holder chose the
    revision, or where it was fetched.
    """

    action_name: str
    revision_id: str
    summary: str | None = None
    url: str | None = None
    change_id: str | None = None
    created: float | None = None
    reachable_from: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A request to stop an execution: after the actions that run, or abandoning them."""

    abandon: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """A pipeline execution. Times are epoch seconds.

    `in_stage` says whether it is inside the stage `stage_name`; else it waits to enter it, or has
    ended there. `rollback_target` is the execution that a rollback repeats in one stage.
    """

    id: str
    pipeline_id: int
    pipeline_version: int
    status: ExecutionStatus
    mode: ExecutionMode
    trigger: Trigger
    source_revisions: tuple[SourceRevision, ...]
    stage_name: str
    in_stage: bool
    started_at: float
    updated_at: float
    status_summary: str | None = None
    client_request_token: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    stop: StopRequest | None = None
    rollback_target: str | None = None


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
