"""`hookline try`: would this event pass these filters and triggers, and why not?"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from hookline import config
from hookline.commands.delivery_search import find_webhook
from hookline.commands.opening import open_database
from hookline.commands.send import read_bytes
from hookline.errors import HooklineError
from hookline.filter_warnings import literal_warnings, unknown_keys
from hookline.installation import open_seal
from hookline.jsonpath import CompileError
from hookline.model import Authentication, Filter, Scope, Verdict, Webhook
from hookline.receiver.entries import Entry
from hookline.receiver.filters import FilterTrace, compile_filters
from hookline.receiver.git_triggers import TriggerTrace
from hookline.receiver.judge import Request, Target, judge
from hookline.receiver.targets import target_of
from hookline.store import webhooks
from hookline.terminal import printable

_TOKEN = re.compile(
    r"""
    (?P<opening>[\[(]) | (?P<closing>[\])]) | (?P<regex>=~\s*/(?:\\.|[^/\\])*/) | (?P<equals>=)
    | '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | .
    """,
    re.VERBOSE | re.DOTALL,
)


def try_filters(
    payload: Annotated[Path, typer.Argument(help="File with the event's JSON; - reads stdin.")],
    *,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            help="A filter, as '$.ref=refs/heads/main': a JSON path, =, and the value that it must "
            "equal. Without = the path must find something. May be repeated; all must pass.",
        ),
    ] = None,
    configuration: Annotated[
        list[str] | None,
        typer.Option(
            help="A value of the target action's configuration for {Key}, as Branch=main. "
            "May be repeated."
        ),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(
            help="Try this webhook's filters and its pipeline's triggers, as they are now."
        ),
    ] = None,
    event_key: Annotated[
        str,
        typer.Option(
            help="Bitbucket's name of the event, as pullrequest:created: with --webhook, a trigger "
            "on its pull requests needs it."
        ),
    ] = "",
    account: Annotated[str | None, typer.Option(help="The webhook's account.")] = None,
    region: Annotated[str | None, typer.Option(help="The webhook's region.")] = None,
) -> None:
    """Tell whether an event passes filters, and why; nothing is recorded or started.

    Exit status: 0 for a match, 1 for none, 2 on an error.
    """
    if bool(filters) == (webhook is not None):
        raise HooklineError("Give --filter, or --webhook with the name of a webhook")
    if webhook is not None and configuration:
        raise HooklineError(
            "--webhook brings its configuration; --configuration goes with --filter"
        )
    body = read_bytes(payload)
    if webhook is None:
        target = _target_of(filters, configuration)
    else:
        target = _target(webhook, account, region)
    verdict, entry = judge(target, _request(target, body, event_key))
    if verdict is Verdict.NOT_JSON:
        raise HooklineError(f"{_source(payload)} can't be used: {entry.reason}")
    _show(target, entry)
    raise typer.Exit(0 if verdict is Verdict.STARTED else 1)


def split_filter(text: str) -> Filter:
    """The filter of a text: its path ends at the first `=` outside brackets and quotes."""
    depth = 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind in {"equals", "regex"} and depth == 0:
            return Filter(text[: token.start()], text[token.start() + 1 :])
        depth += {"opening": 1, "closing": -1}.get(kind or "", 0)
    return Filter(text)


def _target_of(texts: Iterable[str] | None, values: Iterable[str] | None) -> Target:
    """A webhook that exists only for this command, with these filters."""
    configuration = dict(map(_configuration_value, values or ()))
    filters = tuple(map(split_filter, texts or ()))
    webhook = Webhook(0, Scope("", ""), "", "", "", filters, Authentication.UNAUTHENTICATED, "")
    try:
        return Target(webhook, b"", None, compile_filters(filters), configuration)
    except CompileError as error:
        raise HooklineError(
            f"The JSON path can't be used: {printable(error.message)}\n{error.caret}"
        ) from error


def _configuration_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise HooklineError(f"--configuration {text} can't be used. Give it as Branch=main.")
    return key, value


def _target(name: str, account: str | None, region: str | None) -> Target:
    settings = config.load()
    with open_database(settings).read() as connection:
        names = webhooks.names_by_id(connection)
        named = names[find_webhook(names, name, account, region)]
        webhook = webhooks.find(connection, open_seal(settings), named.scope, named.name)
        if webhook is None:
            raise HooklineError(f"There is no webhook {name}")
        target = target_of(connection, webhook)
    if target.configuration is None:
        raise HooklineError(
            f"Pipeline {webhook.target_pipeline} with action {webhook.target_action} in its first "
            f"stage no longer exists, so webhook {name} starts nothing"
        )
    return target


def _request(target: Target, body: bytes, event_key: str) -> Request:
    headers = {b"x-event-key": event_key.encode("latin-1", "replace")}
    # A body that GitHub sent as a form, as `hookline deliveries payload` gives it.
    if body.startswith(b"payload="):
        headers[b"content-type"] = b"application/x-www-form-urlencoded"
    authentication = target.webhook.authentication.value
    return Request(headers, "", 0.0, 0.0, body=body, authenticated_by=authentication, explain=True)


def _source(payload: Path) -> str:
    return "The standard input" if payload == Path("-") else str(payload)


def _show(target: Target, entry: Entry) -> None:
    matched = not entry.triggers or entry.triggers[-1].reason is None
    failed = sum(trace.reason is not None for trace in entry.filters)
    _say(_summary(len(entry.filters), failed, triggered=matched))
    for compiled, trace in zip(target.filters, entry.filters, strict=True):
        _show_filter(compiled.rule, trace, target.configuration or {})
    for seen in entry.triggers:
        _show_trigger(seen)


def _summary(count: int, failed: int, *, triggered: bool) -> str:
    if failed:
        return f"no match: {failed} of {count} filters did not pass"
    if not triggered:
        return "no match: none of the pipeline's triggers matches"
    if not count:
        return "match: the webhook has no filters, so every event passes"
    return f"match: {'the filter passes' if count == 1 else 'all filters pass'}"


def _show_trigger(seen: TriggerTrace) -> None:
    typer.echo()
    _say(f"{'✓' if seen.reason is None else '✗'} trigger {seen.filter}")
    _say(f"  found    {'nothing' if seen.found is None else seen.found}")
    _say(f"  wanted   {seen.wanted}")
    if seen.reason is not None:
        _say(f"  why not  {seen.reason}")


def _show_filter(rule: Filter, trace: FilterTrace, configuration: Mapping[str, str]) -> None:
    typer.echo()
    _say(f"{'✓' if trace.reason is None else '✗'} {rule.json_path}")
    _say(f"  found    {'nothing' if trace.found is None else trace.found or '(empty)'}")
    _say(f"  wanted   {_wanted(rule, trace)}")
    if trace.reason is not None:
        _say(f"  why not  {trace.reason}")
    for warning in (*literal_warnings(rule), *unknown_keys(rule, configuration)):
        _say(f"  warning  {warning}")


def _wanted(rule: Filter, trace: FilterTrace) -> str:
    if trace.wanted is None:
        return "anything but null"
    as_written = "" if trace.wanted == rule.match_equals else f"   (from {rule.match_equals})"
    return f"{trace.wanted or '(empty)'}{as_written}"


def _say(text: str) -> None:
    typer.echo(printable(text))
