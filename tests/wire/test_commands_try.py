"""`hookline send` and `hookline try` as a person uses them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.command_line import run_hookline
from support.sending import push_event
from support.server import Server, clean_environment
from support.tenant import SECRET, Tenant

EVENT = push_event(branch="main", commits=[{"id": "a", "modified": ["infra/main.tf"]}])


def hookline(
    *arguments: str, event: Any = EVENT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it with an event on its standard input."""
    return run_hookline(
        *arguments,
        environment=environment or clean_environment(),
        folder=Path.cwd(),
        text=event if isinstance(event, str) else json.dumps(event),
    )


def attempt(*filters: str, **more: Any) -> subprocess.CompletedProcess[str]:
    arguments = [word for text in filters for word in ("--filter", text)]
    return hookline("try", *arguments, "-", **more)


@pytest.mark.parametrize(
    "text",
    [
        "$.ref=refs/heads/main",
        "$.ref",
        "$.commits[*].modified[*]=infra/main.tf",
        "$.commits[?(@.id == 'a')].modified[0]=infra/main.tf",
        "$.commits[?(@.id =~ /[a=]]?/)].id=a",
        "$['ref']=refs/heads/main",
        "$.head_commit.message=Commit 1111111",
    ],
)
def test_t5_a_filter_that_matches_exits_0(text: str) -> None:
    done = attempt(text)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("match: the filter passes\n\n✓ $")


def test_t5_all_filters_must_pass() -> None:
    done = attempt("$.ref=refs/heads/main", "$.before=x", "$.action")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "no match: 2 of 3 filters did not pass"
    assert "  why not  $.before is 0000" in done.stdout
    assert "  why not  `$.action` is missing" in done.stdout


def test_a_value_may_hold_an_equals_sign() -> None:
    assert attempt("$.ref=a=b", event={"ref": "a=b"}).returncode == 0


def test_t6_keys_come_from_the_configuration() -> None:
    filter_text = ("--filter", "$.ref=refs/heads/{Branch}")
    done = hookline("try", *filter_text, "--configuration", "Branch=main", "-")
    assert done.returncode == 0
    assert "wanted   refs/heads/main   (from refs/heads/{Branch})" in done.stdout
    assert "warning" not in done.stdout
    done = hookline("try", *filter_text, "--configuration", "Brunch=main", "-")
    assert done.returncode == 1
    assert (
        "warning  {Branch} stays as it is written: the target action's configuration has Brunch"
        in done.stdout
    )


@pytest.mark.parametrize(
    ("value", "sign"),
    [
        ("refs/heads/feature/*", "contains * but"),
        ("refs/tags/v?", "contains ? but"),
        ("refs/tags/v[0-9]", "contains […] but"),
        ("dev|uat|main", "contains | but"),
        ("^.*mypath.*$", "contains .* or .+, ^ or $ but"),
        ("refs/head/main", "begins with refs/head/, but git's references with refs/heads/"),
    ],
)
def test_t5_a_value_like_a_pattern_is_warned_of(value: str, sign: str) -> None:
    done = attempt(f"$.ref={value}")
    assert done.returncode == 1
    warnings = [line for line in done.stdout.splitlines() if line.startswith("  warning")]
    assert len(warnings) == 1
    assert sign in warnings[0]


@pytest.mark.parametrize("value", ["refs/heads/main", "refs/tags/v1.2", "0" * 40, "a.b", "1.5"])
def test_t5_an_ordinary_value_is_not_warned_of(value: str) -> None:
    assert "warning" not in attempt(f"$.ref={value}").stdout


def test_p6_a_bad_path_shows_where() -> None:
    done = attempt("$.commits[?(@.id == ]=x")
    assert (done.returncode, done.stdout) == (2, "")
    first, path, caret = done.stderr.splitlines()
    assert first.startswith("hookline: The JSON path can't be used: ")
    assert path == "$.commits[?(@.id == ]=x"
    assert caret.strip() == "^"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ('{"a": 1,\n "b": }', "line 2 column 7"),
        ("", "is not JSON"),
        ("[" * 300 + "]" * 300, "nested deeper than 200"),
    ],
)
def test_t8_json_that_cant_be_read_says_where(event: str, message: str) -> None:
    done = attempt("$.ref", event=event)
    assert done.returncode == 2
    assert done.stderr.startswith("hookline: The standard input can't be used: ")
    assert message in done.stderr


def test_t8_a_form_as_github_sends_it_is_read() -> None:
    assert attempt("$.ref=x", event="payload=%7B%22ref%22%3A%22x%22%7D").returncode == 0


def test_try_is_told_what_to_try(tmp_path: Path) -> None:
    for arguments in ([], ["--filter", "$.a", "--webhook", "b"]):
        done = hookline("try", *arguments, "-")
        assert done.returncode == 2
        assert "Give --filter, or --webhook" in done.stderr
    absent = hookline("try", "--filter", "$.a", str(tmp_path / "absent"))
    assert absent.returncode == 2
    assert "No such file" in absent.stderr


def test_what_a_payload_holds_does_not_reach_the_terminal_raw() -> None:
    done = attempt("$.ref=x", event={"ref": "\x1b[31m\nmatch"})
    assert "\x1b" not in done.stdout
    assert r"found    \x1b[31m\nmatch" in done.stdout


def test_t6_try_takes_a_webhook_with_its_pipeline_of_now(tenant: Tenant) -> None:
    pipeline = tenant.idle_pipeline()
    webhook = tenant.webhook(
        pipeline, filters=[{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}]
    )
    arguments = ("try", "--webhook", webhook["definition"]["name"], "--region", tenant.region)
    environment = tenant.server.environment
    done = hookline(*arguments, "-", environment=environment)
    assert done.returncode == 0, done.stderr
    declared = tenant.client.get_pipeline(name=pipeline)["pipeline"]
    declared["stages"][0]["actions"][0]["configuration"]["Branch"] = "next"
    tenant.client.update_pipeline(pipeline=declared)
    done = hookline(*arguments, "-", environment=environment)
    assert done.returncode == 1
    assert "wanted   refs/heads/next" in done.stdout
    assert SECRET not in done.stdout
    assert tenant.executions(pipeline) == []
    tenant.client.delete_pipeline(name=pipeline)
    gone = hookline(*arguments, "-", environment=environment)
    assert gone.returncode == 2
    assert "no longer exists" in gone.stderr


@pytest.mark.parametrize("way", ["option", "file", "variable"])
def test_t2_send_signs_as_github_does(tenant: Tenant, tmp_path: Path, way: str) -> None:
    webhook = tenant.webhook(tenant.idle_pipeline())
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    arguments = {"option": ["--secret", SECRET], "file": ["--secret-file", str(file)]}.get(way, [])
    environment = clean_environment()
    if way == "variable":
        environment["HOOKLINE_SEND_SECRET"] = SECRET
    done = hookline("send", "--url", webhook["url"], *arguments, "-", environment=environment)
    assert done.returncode == 0, done.stderr
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert (told["status"], told["outcome"]) == ("200", "started")
    delivery = tenant.server.delivery(told["delivery"])
    assert (delivery.event, delivery.execution_id) == ("push", told["execution"])


def test_t12_send_exits_1_when_it_is_refused(tenant: Tenant) -> None:
    webhook = tenant.webhook(tenant.idle_pipeline())
    done = hookline("send", "--url", webhook["url"], "--secret", "wrong", "--event", "ping", "-")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "status     401"
    assert "outcome    refused" in done.stdout
    unsigned = hookline("send", "--url", webhook["url"], "-")
    assert unsigned.returncode == 1
    assert "no X-Hub-Signature-256" in unsigned.stdout


def test_send_exits_2_when_nothing_like_a_trigger_url_answers(
    server: Server, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for arguments, message in (
        (["--url", "http://127.0.0.1:9/"], "does not answer"),
        (["--url", "file:///etc/passwd"], "is not an http:// or https:// address"),
        (["--url", f"{server.url}/nothing"], "not as a trigger URL does"),
        (["--url", server.url, "--secret-file", str(empty)], "holds no secret"),
        (["--url", server.url, "--secret", "a", "--secret-file", str(empty)], "not both"),
    ):
        done = hookline("send", *arguments, "-")
        assert done.returncode == 2, done.stdout
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
