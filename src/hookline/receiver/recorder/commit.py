"""Commits judged deliveries: each is recorded once, and each event starts one execution."""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from hookline.errors import StoreUnavailableError
from hookline.executions.start import start
from hookline.executions.start_request import StartRequest
from hookline.model import Pipeline, Scope, Verdict
from hookline.receiver.entries import Entry
from hookline.receiver.headers import kept_headers
from hookline.store import deliveries, pipelines, webhooks
from hookline.store.deliveries import Delivery
from hookline.store.pipelines import Locked

_VERSIONS_KEPT = 1_000


class PipelineVersions:
    """The 1,000 versions of pipelines that were used last; a version never changes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Locked, Pipeline] = OrderedDict()

    def get(self, connection: Connection, locked: Locked) -> Pipeline:
        """The version of a pipeline that a transaction has locked."""
        pipeline = self._kept.get(locked) or pipelines.get(connection, locked.id, locked.version)
        if pipeline is None:
            raise StoreUnavailableError("A pipeline's version is missing in the store")
        self._kept[locked] = pipeline
        self._kept.move_to_end(locked)
        if len(self._kept) > _VERSIONS_KEPT:
            self._kept.popitem(last=False)
        return pipeline


class Committer:
    """Records entries and starts what they start, each event once in `dedupe_window` seconds."""

    def __init__(self, dedupe_window: float) -> None:
        self._window = dedupe_window
        self._versions = PipelineVersions()

    def commit(self, connection: Connection, entries: Sequence[Entry]) -> list[Delivery]:
        """Record entries in the caller's transaction: the deliveries with their final verdicts."""
        again = [entry.delivery_id for entry in entries if entry.again]
        known = deliveries.known(connection, again)
        if not known:
            return self._commit_new(connection, entries)
        new = [entry for entry in entries if entry.delivery_id not in known]
        committed = self._commit_new(connection, new)
        by_id = known | {delivery.id: delivery for delivery in committed}
        return [by_id[entry.delivery_id] for entry in entries]

    def _commit_new(self, connection: Connection, entries: Sequence[Entry]) -> list[Delivery]:
        outcomes = self._start(connection, entries)
        new = [_delivery(entry, *outcome) for entry, outcome in zip(entries, outcomes, strict=True)]
        deliveries.insert(connection, new)
        refused = {delivery.webhook_id for delivery in new if delivery.verdict.refused}
        deliveries.trim_refused(connection, refused)
        return new

    def _start(
        self, connection: Connection, entries: Sequence[Entry]
    ) -> list[tuple[Verdict, str | None]]:
        """Start executions; the verdict and the execution of each entry."""
        named = {_target(entry.start) for entry in entries if entry.start is not None}
        targets = pipelines.lock(connection, named)
        holders = self._claim(connection, entries, targets)
        outcomes = [_outcome(entry, targets, holders) for entry in entries]
        begun: dict[Locked, list[StartRequest]] = defaultdict(list)
        triggered: set[int] = set()
        for entry, (verdict, _) in zip(entries, outcomes, strict=True):
            if verdict is Verdict.STARTED and entry.start is not None:
                begun[targets[_target(entry.start)]].append(entry.start)
                triggered.add(entry.webhook_id)
        for locked, requests in begun.items():
            start(connection, self._versions.get(connection, locked), requests)
        webhooks.triggered(connection, triggered, time.time())
        return outcomes

    def _claim(
        self,
        connection: Connection,
        entries: Sequence[Entry],
        targets: Mapping[tuple[Scope, str], Locked],
    ) -> Mapping[bytes, str]:
        """Claim the events of entries whose pipelines are there: which execution has each."""
        first: dict[bytes, str] = {}
        for entry in entries:
            if entry.dedupe_key and entry.start and _target(entry.start) in targets:
                first.setdefault(entry.dedupe_key, entry.start.execution_id)
        return deliveries.claim_events(connection, first, time.time(), self._window)


def _outcome(
    entry: Entry, targets: Mapping[tuple[Scope, str], Locked], holders: Mapping[bytes, str]
) -> tuple[Verdict, str | None]:
    request = entry.start
    if request is None:
        return Verdict[entry.verdict], None
    if _target(request) not in targets:
        return Verdict.NO_TARGET, None
    own = request.execution_id
    holder = own if entry.dedupe_key is None else holders[entry.dedupe_key]
    return (Verdict.STARTED if holder == own else Verdict.DUPLICATE), holder


def _target(request: StartRequest) -> tuple[Scope, str]:
    return request.scope, request.pipeline


def _delivery(entry: Entry, verdict: Verdict, execution_id: str | None) -> Delivery:
    headers = kept_headers(entry.headers)
    return Delivery(
        id=entry.delivery_id,
        webhook_id=entry.webhook_id,
        received_at=entry.received_at,
        verdict=verdict,
        remote=entry.remote,
        headers=headers.kept,
        trace=_trace(entry),
        body_size=entry.body_size,
        body=None if verdict is Verdict.NO_TARGET else entry.body,
        duration=entry.duration,
        execution_id=execution_id,
        event=headers.event,
        sender_id=headers.delivery_id,
        redelivery_of=entry.redelivery_of,
    )


def _trace(entry: Entry) -> dict[str, Any]:
    """The decision trace: why the delivery got its verdict (contract T14)."""
    trace: dict[str, Any] = {
        "authentication": entry.authentication,
        "authenticated": entry.authenticated,
        "reason": entry.reason,
        "filters": [
            {
                "jsonPath": seen.json_path,
                "found": seen.found,
                "wanted": seen.wanted,
                "passed": seen.reason is None,
                "reason": seen.reason,
            }
            for seen in entry.filters
        ],
    }
    if entry.triggers:
        trace["triggers"] = [
            {
                "filter": seen.filter,
                "found": seen.found,
                "wanted": seen.wanted,
                "passed": seen.reason is None,
                "reason": seen.reason,
            }
            for seen in entry.triggers
        ]
    return trace
