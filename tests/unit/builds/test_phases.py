"""The phase machine, over all outcomes: no shell and no clock of the system."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from hookline.builds.buildspec import FailureAction, OnFailure
from hookline.builds.phases import (
    BuildStatus,
    Course,
    Ended,
    PhaseLog,
    PhaseType,
    commands,
    following,
)
from hookline.builds.reading import read

NOW = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
TIME = "[Container] 2026/01/02 03:04:05.123456 "
P = PhaseType
ABORT, CONTINUE, RETRY = (OnFailure(action) for action in FailureAction)


def course(
    text: str, ends: Mapping[str, int] | None = None, retries: int = 0
) -> tuple[Course, list[str], list[str]]:
    """What became of a buildspec whose commands end as `ends` says: course, commands, log."""
    lines: list[str] = []
    log = PhaseLog(lines.append, lambda: NOW)
    steps = commands(read(f"version: 0.2\nphases:\n{text}".encode()), log, retries)
    ran = []
    try:
        command = next(steps)
        while True:
            ran.append(f"{command.text} {int(command.build_succeeding)}")
            command = steps.send(Ended((ends or {}).get(command.text, 0), "some output"))
    except StopIteration as stop:
        assert all(line.startswith(TIME) for line in lines)
        return stop.value, ran, [line.removeprefix(TIME) for line in lines]


@pytest.mark.parametrize(
    ("phase", "after_success", "after_failure"),
    [
        (P.SUBMITTED, P.QUEUED, P.FINALIZING),
        (P.QUEUED, P.PROVISIONING, P.FINALIZING),
        (P.PROVISIONING, P.DOWNLOAD_SOURCE, P.FINALIZING),
        (P.DOWNLOAD_SOURCE, P.INSTALL, P.FINALIZING),
        (P.INSTALL, P.PRE_BUILD, P.FINALIZING),
        (P.PRE_BUILD, P.BUILD, P.FINALIZING),
        (P.BUILD, P.POST_BUILD, P.POST_BUILD),
        (P.POST_BUILD, P.UPLOAD_ARTIFACTS, P.UPLOAD_ARTIFACTS),
        (P.UPLOAD_ARTIFACTS, P.FINALIZING, P.FINALIZING),
        (P.FINALIZING, P.COMPLETED, P.COMPLETED),
    ],
)
def test_which_phase_follows(phase: P, after_success: P, after_failure: P) -> None:
    for on_failure in (None, ABORT, CONTINUE, RETRY):
        assert following(phase, succeeded=True, on_failure=on_failure) is after_success
    assert following(phase, succeeded=False, on_failure=None) is after_failure
    assert following(phase, succeeded=False, on_failure=RETRY) is after_failure
    assert following(phase, succeeded=False, on_failure=CONTINUE) is after_success
    assert following(phase, succeeded=False, on_failure=ABORT) is P.FINALIZING


FOUR = """\
  install: {commands: [i1, i2], finally: [i3]}
  pre_build: {commands: [p1], finally: [p2]}
  build: {commands: [b1, b2], finally: [b3, b4]}
  post_build: {commands: [o1], finally: [o2]}
"""


@pytest.mark.parametrize(
    ("failing", "ran", "following_phase"),
    [
        ("", "i1 i2 i3 p1 p2 b1 b2 b3 b4 o1 o2", P.UPLOAD_ARTIFACTS),
        ("i1", "i1 i3", P.FINALIZING),
        ("i3", "i1 i2 i3", P.FINALIZING),
        ("p1", "i1 i2 i3 p1 p2", P.FINALIZING),
        ("b1", "i1 i2 i3 p1 p2 b1 b3 b4 o1 o2", P.UPLOAD_ARTIFACTS),
        ("b3", "i1 i2 i3 p1 p2 b1 b2 b3 o1 o2", P.UPLOAD_ARTIFACTS),
        ("o1", "i1 i2 i3 p1 p2 b1 b2 b3 b4 o1 o2", P.UPLOAD_ARTIFACTS),
        ("b2 o1", "i1 i2 i3 p1 p2 b1 b2 b3 b4 o1 o2", P.UPLOAD_ARTIFACTS),
    ],
)
def test_what_runs_after_a_failure(failing: str, ran: str, following_phase: P) -> None:
    found, commands_run, _ = course(FOUR, dict.fromkeys(failing.split(), 1))
    assert " ".join(text.split()[0] for text in commands_run) == ran
    assert found == Course(not failing, following_phase)


@pytest.mark.parametrize(
    ("on_failure", "ran", "following_phase"),
    [
        ("ABORT", ["b1 1", "b2 0"], P.FINALIZING),
        ("CONTINUE", ["b1 1", "b2 0", "o1 0"], P.UPLOAD_ARTIFACTS),
        ("RETRY-0", ["b1 1", "b2 0", "o1 0"], P.UPLOAD_ARTIFACTS),
        ("RETRY-other", ["b1 1", "b2 0", "o1 0"], P.UPLOAD_ARTIFACTS),
    ],
)
def test_on_failure_of_a_failed_build(on_failure: str, ran: list[str], following_phase: P) -> None:
    text = f"  build: {{commands: [b1], finally: [b2], on-failure: {on_failure}}}\n"
    found, commands_run, _ = course(f"{text}  post_build: {{commands: [o1]}}", {"b1": 1})
    assert commands_run == ran
    assert found == Course(succeeded=False, next=following_phase)


def test_a_failed_install_may_be_followed_by_the_next_phase() -> None:
    text = "  install: {commands: [i1], on-failure: CONTINUE}\n  build: {commands: [b1]}"
    found, ran, _ = course(text, {"i1": 1})
    assert (found.succeeded, ran) == (False, ["i1 1", "b1 0"])


@pytest.mark.parametrize(
    ("on_failure", "retries", "again"),
    [
        ("RETRY", 0, True),
        ("RETRY", 2, True),
        ("RETRY", 3, False),
        ("RETRY-1", 0, True),
        ("RETRY-1", 1, False),
        ("RETRY-5-exit status 7", 4, True),
        ("RETRY-some out", 0, True),
        ("RETRY-nothing", 0, False),
    ],
)
def test_a_build_begins_again_as_often_as_it_may(
    on_failure: str,
    retries: int,
    again: bool,  # noqa: FBT001 - a column of the table
) -> None:
    text = f"  build: {{commands: [b1], finally: [b2], on-failure: '{on_failure}'}}"
    found, ran, _ = course(text, {"b1": 7}, retries)
    assert found.retry is again
    assert ran == ["b1 1", "b2 0"]


def test_the_log_is_written_as_aws_writes_it() -> None:
    _, _, lines = course("  build: {commands: [make all]}\n", {"make all": 2})
    message = "Error while executing command: make all. Reason: exit status 2"
    assert lines == [
        "Entering phase INSTALL",
        "Phase complete: INSTALL State: SUCCEEDED",
        "Phase context status code:  Message: ",
        "Entering phase PRE_BUILD",
        "Phase complete: PRE_BUILD State: SUCCEEDED",
        "Phase context status code:  Message: ",
        "Entering phase BUILD",
        "Running command make all",
        "Command did not exit successfully make all exit status 2",
        "Phase complete: BUILD State: FAILED",
        f"Phase context status code: COMMAND_EXECUTION_ERROR Message: {message}",
        "Entering phase POST_BUILD",
        "Phase complete: POST_BUILD State: SUCCEEDED",
        "Phase context status code:  Message: ",
    ]


def test_a_phase_has_times_and_a_context() -> None:
    log = PhaseLog(lambda _: None, lambda: NOW)
    log.enter(P.BUILD)
    assert (log.phases[0].status, log.phases[0].ended) == (BuildStatus.IN_PROGRESS, None)
    log.complete(BuildStatus.SUCCEEDED)
    assert (log.phases[0].started, log.phases[0].ended) == (NOW, NOW)
    assert log.phases[0].context is None
