"""Whether an event matches a pipeline's git triggers, and why not (docs/reference/git-triggers.md).

Source: "Add trigger with code push or pull request event types" of the AWS CodePipeline user guide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from hookline.globs import GlobError, Globs, escaped
from hookline.model import GitTrigger, Patterns, PullRequestEvent, PullRequestFilter, PushFilter
from hookline.receiver.git_events import PullRequest, Push, git_events
from hookline.receiver.texts import SHOWN, joined, shortened

_SHOWN_FILES = 3
_SHOWN_REASON = 1_000
# Git's own limit is lower for branches and about this for paths.
_LONGEST_NAME = 4_096
# Instructions of the patterns times characters of file names: at worst half a second of RE2.
_MOST_STEPS = 200_000_000
_NOTHING = "neither a push nor a pull request that was opened, updated or closed"


class TriggerTrace(msgspec.Struct, array_like=True, frozen=True):
    """What one push or pull request filter of a trigger saw and wanted, and why it did not match.

    `filter` is `push` or `pullRequest` with its place in the declaration, from 1.
    """

    filter: str
    found: str | None
    wanted: str
    # None where the event matches.
    reason: str | None = None


class TriggerMatch(NamedTuple):
    """What the filters saw, up to the first that matched, and what it matched."""

    traces: list[TriggerTrace]
    matched: Push | PullRequest | None


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Compiled patterns. `text` says in words what they match; `size` is that of their programs."""

    text: str
    includes: Globs | None
    excludes: Globs | None
    size: int

    def match(self, value: str) -> bool:
        if len(value) > _LONGEST_NAME:
            return False
        if self.excludes is not None and self.excludes.matches(value):
            return False
        return self.includes is None or self.includes.matches(value)


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """One push or pull request filter, ready to judge.

    `broken` says why it can't be: its pattern was stored before patterns were checked.
    """

    name: str
    wanted: str
    # Empty for a push.
    events: tuple[PullRequestEvent, ...] = ()
    branches: _Patterns | None = None
    tags: _Patterns | None = None
    file_paths: _Patterns | None = None
    broken: str | None = None


def compile_trigger(
    triggers: Sequence[GitTrigger], action: str, configuration: Mapping[str, str]
) -> tuple[TriggerRule, ...]:
    """The filters of the trigger on the source action `action`; none where it has no trigger.

    A trigger without any filter means a push to the branch of the action's configuration.
    """
    rules: list[TriggerRule] = []
    for trigger in triggers:
        if trigger.source_action != action:
            continue
        pushes = trigger.pushes
        if not pushes and not trigger.pull_requests:
            branch = escaped(configuration.get("BranchName", ""))
            pushes = (PushFilter(branches=Patterns((branch,))),)
        rules += (_rule(f"push {number}", item) for number, item in enumerate(pushes, 1))
        rules += (
            _rule(f"pullRequest {number}", item)
            for number, item in enumerate(trigger.pull_requests, 1)
        )
    return tuple(rules)


def match_triggers(rules: Sequence[TriggerRule], event: Any, event_key: str) -> TriggerMatch:
    """Hold an event against filters, one of which must match; `event_key` as in `git_events`."""
    happened = git_events(event, event_key)
    traces: list[TriggerTrace] = []
    for rule in rules:
        reasons = []
        for item in happened:
            reason = _why_not(rule, item)
            if reason is None:
                traces.append(TriggerTrace(rule.name, _found(item), rule.wanted))
                return TriggerMatch(traces, item)
            reasons.append(reason)
        found = joined(map(str, happened), SHOWN) or None
        reason = joined(dict.fromkeys(reasons), _SHOWN_REASON) or f"it is {_NOTHING}"
        traces.append(TriggerTrace(rule.name, found, rule.wanted, reason))
    return TriggerMatch(traces, None)


def why_none_matched(traces: Sequence[TriggerTrace]) -> str:
    """The reason of a delivery that matched no filter."""
    if len(traces) == 1:
        return f"the pipeline's trigger does not match: {traces[0].reason}"
    reasons = "; ".join(f"{trace.filter}: {trace.reason}" for trace in traces)
    return f"none of the pipeline's triggers matches: {reasons}"


def _found(item: Push | PullRequest) -> str:
    text = str(item)
    if isinstance(item, PullRequest) and not _is_whole(item.origin["after"]):
        # Bitbucket gives twelve digits, by which nothing can be fetched.
        text += "; its commit id is not given in full, so the source action takes its own branch"
    return shortened(text)


def _is_whole(commit_id: Any) -> bool:
    return isinstance(commit_id, str) and len(commit_id) in {40, 64}


def _rule(name: str, declared: PushFilter | PullRequestFilter) -> TriggerRule:
    events = declared.events if isinstance(declared, PullRequestFilter) else ()
    tags = declared.tags if isinstance(declared, PushFilter) else None
    wanted = _wanted(declared)
    try:
        return TriggerRule(
            name,
            wanted,
            events=events,
            branches=_compiled(declared.branches),
            tags=_compiled(tags),
            file_paths=_compiled(declared.file_paths),
        )
    except GlobError as error:
        return TriggerRule(name, wanted, events=events, broken=str(error))


def _compiled(patterns: Patterns | None) -> _Patterns | None:
    if patterns is None:
        return None
    includes = Globs(patterns.includes) if patterns.includes else None
    excludes = Globs(patterns.excludes) if patterns.excludes else None
    size = sum(globs.size for globs in (includes, excludes) if globs is not None)
    return _Patterns(_text(patterns), includes, excludes, max(size, 1))


def _text(patterns: Patterns) -> str:
    text = ", ".join(patterns.includes) or "any"
    return f"{text} except {', '.join(patterns.excludes)}" if patterns.excludes else text


def _wanted(declared: PushFilter | PullRequestFilter) -> str:
    if isinstance(declared, PullRequestFilter):
        parts = [f"pull request {' or '.join(declared.events)}", _named("into", declared.branches)]
    elif declared.tags is not None:
        parts = [_named("push of tag", declared.tags)]
    else:
        parts = [_named("push of branch", declared.branches)]
    if declared.file_paths is not None:
        parts.append(f"with a file {_text(declared.file_paths)}")
    return shortened(", ".join(parts), _SHOWN_REASON)


def _named(what: str, patterns: Patterns | None) -> str:
    return f"{what} {'any' if patterns is None else _text(patterns)}"


def _why_not(rule: TriggerRule, item: Push | PullRequest) -> str | None:
    if rule.broken is not None:
        return rule.broken
    reason = _push_reason(rule, item) if isinstance(item, Push) else _request_reason(rule, item)
    if reason is None and rule.file_paths is not None:
        return _files_reason(rule.file_paths, item)
    return reason


def _push_reason(rule: TriggerRule, push: Push) -> str | None:
    kind = "tag" if push.is_tag else "branch"
    if rule.events:
        return "it is a push, not a pull request"
    if push.deleted:
        return f"{kind} {shortened(push.name)} was deleted, which starts nothing"
    if push.is_tag is (rule.tags is None):
        other = "branch" if push.is_tag else "tag"
        return f"it pushes the {kind} {shortened(push.name)}, not a {other}"
    return _name_reason(rule.tags if push.is_tag else rule.branches, kind, push.name)


def _request_reason(rule: TriggerRule, request: PullRequest) -> str | None:
    if not rule.events:
        return "it is a pull request, not a push"
    if request.event not in rule.events:
        return f"the pull request is {request.event.value}, not {' or '.join(rule.events)}"
    if request.from_fork:
        return "the pull request comes from another repository, whose code is not run"
    return _name_reason(rule.branches, "target branch", request.branch)


def _name_reason(patterns: _Patterns | None, kind: str, name: str) -> str | None:
    if patterns is None or patterns.match(name):
        return None
    return f"the {kind} is {shortened(name)}, not {patterns.text}"


def _files_reason(patterns: _Patterns, item: Push | PullRequest) -> str | None:
    files = item.changed_files(_MOST_STEPS // patterns.size)
    if any(map(patterns.match, files.names)):
        return None
    if files.gap is not None:
        return f"which files changed can't be told: {files.gap}; wanted is {patterns.text}"
    if not files.names:
        return f"it changes no file; wanted is {patterns.text}"
    names = ", ".join(map(shortened, files.names[:_SHOWN_FILES]))
    more = len(files.names) - _SHOWN_FILES
    others = f" and {more:,} more" if more > 0 else ""
    return f"the changed files are {names}{others}, not {patterns.text}"
