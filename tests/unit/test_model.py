import time
import uuid
from typing import Any

import botocore.session

from hookline.model import (
    Authentication,
    Credential,
    ExecutionMode,
    Pipeline,
    Scope,
    Verdict,
    Webhook,
    new_id,
    partition_of,
)


def test_x11_a_region_has_the_partition_that_aws_gives_it() -> None:
    session = botocore.session.get_session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("ec2", partition):
            assert partition_of(region) == partition, region
    assert partition_of("test-region-1") == "aws"


def test_a_new_id_is_a_uuid_of_version_7_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    identifier = uuid.UUID(new_id())
    after = time.time_ns() // 1_000_000
    assert (identifier.version, identifier.variant) == (7, uuid.RFC_4122)
    assert before <= identifier.int >> 80 <= after
    assert len(new_id()) == 36


def test_new_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    # The time and the fraction of a millisecond after it.
    times = [uuid.UUID(identifier).int >> 64 for identifier in ids]
    assert times == sorted(times)
    first = new_id()
    time.sleep(0.002)
    assert first < new_id()


def test_new_ids_use_all_their_random_bits() -> None:
    seen_set = seen_clear = 0
    random_bits = (1 << 62) - 1
    for _ in range(200):
        value = uuid.UUID(new_id()).int
        seen_set |= value
        seen_clear |= ~value
    assert seen_set & random_bits == random_bits
    assert seen_clear & random_bits == random_bits


def test_w7_arns() -> None:
    scope = Scope("123456789012", "eu-west-1")
    assert scope.pipeline_arn("p") == "arn:aws:codepipeline:eu-west-1:123456789012:p"
    assert scope.webhook_arn("w") == "arn:aws:codepipeline:eu-west-1:123456789012:webhook:w"


def test_secrets_are_not_shown_by_repr() -> None:
    webhook = Webhook(
        1, Scope("1", "r"), "w", "p", "a", (), Authentication.GITHUB_HMAC, "hidden-1", "hidden-2"
    )
    credential = Credential("AKIA", "hidden-3", "1", 0.0)
    assert "hidden" not in repr(webhook) + repr(credential)


def test_t12_each_verdict_has_its_answer() -> None:
    statuses = {verdict.name: (verdict.status, verdict.outcome) for verdict in Verdict}
    assert {
        name: statuses[name]
        for name in ("STARTED", "FILTERED", "DUPLICATE", "PING", "OVER_RATE", "UNAVAILABLE")
    } == {
        "STARTED": (200, "started"),
        "FILTERED": (200, "filtered"),
        "DUPLICATE": (200, "duplicate"),
        "PING": (200, "ping"),
        "OVER_RATE": (429, "refused"),
        "UNAVAILABLE": (503, "refused"),
    }
    assert all(verdict.reason for verdict in Verdict)


def test_a_pipeline_has_the_artifact_store_of_its_region() -> None:
    here, there = ({"type": "S3", "location": name} for name in ("here", "there"))

    def store(**declared: Any) -> Any:
        scope = Scope("123456789012", "eu-west-1")
        mode = ExecutionMode.SUPERSEDED
        return Pipeline(1, scope, "p", 1, mode, (), declared, 0.0, 0.0).artifact_store

    assert store(artifactStore=here) == here
    assert store(artifactStores={"eu-west-1": here, "us-east-1": there}) == here
    assert store(artifactStores={"us-east-1": there}) == {}
