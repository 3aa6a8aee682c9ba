"""Entries as workers send them to the recorder."""

import time

from hookline.executions.start_request import StartRequest
from hookline.model import Scope, Trigger, Verdict, new_id
from hookline.receiver.entries import Entry

SCOPE = Scope("000000000000", "us-east-1")


def entry(
    verdict: Verdict = Verdict.STARTED,
    body: bytes = b"{}",
    pipeline: str = "p",
    key: bytes | None = None,
) -> Entry:
    """A delivery of the webhook 1, and the start of `pipeline`; of two with a `key`, one starts."""
    request = StartRequest(SCOPE, pipeline, new_id(), Trigger("Webhook", "arn"))
    return Entry(
        delivery_id=new_id(),
        webhook_id=1,
        received_at=time.time(),
        duration=0.001,
        verdict=verdict.name,
        authentication="UNAUTHENTICATED",
        authenticated=True,
        reason=None,
        filters=[],
        remote="127.0.0.1",
        headers={b"x-github-event": b"push"},
        body_size=len(body),
        body=None if verdict.refused else body,
        start=request if verdict is Verdict.STARTED else None,
        dedupe_key=key,
    )
