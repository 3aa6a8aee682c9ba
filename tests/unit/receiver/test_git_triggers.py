"""Git triggers: patterns, what events tell, and what a filter makes of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.globs import GlobError, Globs, escaped
from hookline.model import triggers_of
from hookline.receiver.git_events import PullRequest, Push, git_events
from hookline.receiver.git_triggers import (
    TriggerMatch,
    TriggerRule,
    compile_trigger,
    match_triggers,
    why_none_matched,
)
from hookline.receiver.revision import pushed_revision

EXAMPLES = (
    Path(__file__).parents[2]
    / "node/node_modules/@octokit/webhooks-examples/api.github.com/index.json"
)
COMMIT = "c" * 40


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*.java", "A.java", True),
        ("*.java", "a/A.java", False),
        ("*.*", "a.b", True),
        ("*.*", "ab", False),
        ("*.{java,class}", "A.class", True),
        ("*.{java,class}", "A.jar", False),
        ("foo.?", "foo.x", True),
        ("foo.?", "foo./", False),
        ("foo.?", "foo.", False),
        ("**", "a/b/c", True),
        ("**", "", True),
        ("dir/**", "dir/a/b", True),
        ("dir/**", "dir", False),
        ("dir/*", "dir/a", True),
        ("dir/*", "dir/a/b", False),
        ("**/README.md", "docs/README.md", True),
        ("**/README.md", "README.md", False),
        ("{README.md,**/README.md}", "README.md", True),
        ("feature/**", "feature/a/b", True),
        ("feature*", "feature/a", False),
        ("v[0-9].[0-9]*", "v1.23", True),
        ("[!ab]c", "cc", True),
        ("[!ab]c", "ac", False),
        ("[!ab]c", "/c", False),
        ("[+-9]", "/", False),
        ("[+-9]", "5", True),
        ("[-a]", "-", True),
        ("[a-]", "-", True),
        ("[!-a]", "-", False),
        ("[*?\\^]", "\\", True),
        ("[*?\\^]", "^", True),
        ("[.]x", "ax", False),
        ("\\*", "*", True),
        ("\\*", "a", False),
        (".*", "x", False),
        (".*", ".env", True),
        ("a|b", "a", False),
        ("(a)+$", "(a)+$", True),
        ("a,b}", "a,b}", True),
        ("{,a}b", "b", True),
        ("release-{1,2}/{x,y}", "release-2/y", True),
        ("Main", "main", False),
        ("größe/*", "größe/ä", True),
        ("[ä-ö]", "ö", True),
        ("a*", "a\nb", True),
        ("a**", "a\nb", True),
    ],
)
def test_a_pattern_means_what_aws_documents(pattern: str, text: str, matches: bool) -> None:  # noqa: FBT001 - a table's column
    assert Globs([pattern]).matches(text) is matches


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("a[b", "a [ without ]"),
        ("[]", "a [ without ]"),
        ("{a", "a { without }"),
        ("{a{b}}", "a group within a group"),
        ("a\\", "ends in \\"),
        ("[z-a]", "the range z-a"),
        ("[/]", "has / in [ ]"),
        ("a" * 256, "256 characters; 255 is the most"),
    ],
)
def test_a_pattern_that_cant_be_read_says_why(pattern: str, words: str) -> None:
    with pytest.raises(GlobError, match=re.escape(words)):
        Globs(["fine", pattern])


@given(st.text(max_size=100))
def test_an_escaped_name_matches_itself_alone(text: str) -> None:
    globs = Globs([escaped(text)])
    assert globs.matches(text)
    assert not globs.matches(f"{text}x")


@given(st.text(alphabet="ab*?[]{},\\!-/.^$()|+", max_size=40), st.text(max_size=40))
def test_any_pattern_is_compiled_or_refused(pattern: str, text: str) -> None:
    try:
        globs = Globs([pattern])
    except GlobError:
        return
    globs.matches(text)


def test_no_pattern_hangs() -> None:
    # An engine that goes back and tries again would not end with these.
    assert not Globs(["*a" * 127] * 8).matches("a" * 100_000 + "/")
    assert not Globs(["**a" * 84 + "b"] * 8).matches("a" * 100_000)


def rules(branch: str = "main", **git: Any) -> tuple[TriggerRule, ...]:
    configuration = {"sourceActionName": "App", **git}
    declaration = {"triggers": [{"gitConfiguration": configuration}]}
    return compile_trigger(triggers_of(declaration), "App", {"BranchName": branch})


def push(branch: str = "main", *files: str, **more: Any) -> dict[str, Any]:
    commits = [{"id": COMMIT, "added": [], "modified": list(files), "removed": []}]
    return {"ref": f"refs/heads/{branch}", "after": COMMIT, "commits": commits, **more}


def pull_request(
    action: str = "opened", base: str = "main", fork: str = "acme/app", **more: Any
) -> Any:
    return {
        "action": action,
        "pull_request": {
            "title": "A change",
            "html_url": "https://example.com/1",
            "head": {"sha": COMMIT, "repo": {"full_name": fork}},
            "base": {"ref": base, "repo": {"full_name": "acme/app"}},
            **more,
        },
    }


def merge_request(action: str, **more: Any) -> Any:
    return {
        "object_kind": "merge_request",
        "object_attributes": {
            "action": action,
            "target_branch": "main",
            "source_project_id": 1,
            "target_project_id": 1,
            "last_commit": {"id": COMMIT, "message": "m", "url": "https://example.com"},
            **more,
        },
    }


def bitbucket(*changes: Any) -> Any:
    return {"push": {"changes": list(changes)}}


def change(name: str, kind: str = "branch", commit: str = COMMIT) -> Any:
    return {"new": {"type": kind, "name": name, "target": {"hash": commit}}, "old": None}


BITBUCKET_REQUEST = {
    "pullrequest": {
        "title": "A change",
        "source": {"commit": {"hash": "c" * 12}, "repository": {"full_name": "acme/app"}},
        "destination": {"branch": {"name": "main"}, "repository": {"full_name": "acme/app"}},
    }
}
KEYS = (
    *("ref", "after", "commits", "added", "push", "changes", "new", "old", "name", "type"),
    *("pull_request", "head", "base", "repo", "action", "pullrequest", "source", "destination"),
    *("object_kind", "object_attributes", "total_commits", "deleted"),
)
PATHS: dict[str, Any] = {"filePaths": {"includes": ["api/**", "lib/*.py"], "excludes": ["**.md"]}}


def judged(event: Any, event_key: str = "", **git: Any) -> TriggerMatch:
    return match_triggers(rules(**git), event, event_key)


def reason(event: Any, event_key: str = "", **git: Any) -> str | None:
    """Why the event does not match the one filter; None where it does."""
    [trace] = judged(event, event_key, **git).traces
    return trace.reason


def branches(*includes: str, excludes: Any = ()) -> Any:
    return {"branches": {"includes": list(includes), "excludes": list(excludes)}}


@pytest.mark.parametrize(
    ("rule", "event", "why_not"),
    [
        (branches("main"), push(), None),
        (branches("main"), push("dev"), "the branch is dev, not main"),
        (branches("release/*"), push("release/1"), None),
        (branches("**", excludes=["release/old*"]), push("release/older"), "release/older, not **"),
        ({"branches": {"excludes": ["dev"]}}, push("main"), None),
        ({"branches": {"excludes": ["dev"]}}, push("dev"), "is dev, not any except dev"),
        (branches("main", excludes=["main"]), push("main"), "not main except main"),
        ({}, push("anything"), None),
        ({}, push(ref="refs/tags/v1"), "it pushes the tag v1, not a branch"),
        ({"tags": {"includes": ["v*"]}}, push(ref="refs/tags/v1"), None),
        ({"tags": {"includes": ["v*"]}}, push(ref="refs/tags/w1"), "the tag is w1, not v*"),
        ({"tags": {"includes": ["v*"]}}, push("v1"), "it pushes the branch v1, not a tag"),
        ({"tags": {}}, push(ref="refs/tags/w1"), None),
        (branches("main"), push(deleted=True), "branch main was deleted"),
        (branches("main"), push(after="0" * 40), "branch main was deleted"),
        (branches("main"), pull_request(), "it is a pull request, not a push"),
        (branches("main"), {"ref": "refs/heads/main"}, "neither a push nor a pull request"),
        (branches("main"), {"ref": "v1", "ref_type": "tag", "after": "x"}, "neither a push"),
        (branches("main"), [1], "neither a push nor"),
        (PATHS, push("x", "api/a/b.py"), None),
        (PATHS, push("x", "docs/a", "lib/x.py"), None),
        (PATHS, push("x", "lib/x/y.py"), "the changed files are lib/x/y.py, not api/**"),
        (PATHS, push("x", "api/README.md"), "not api/**, lib/*.py except **.md"),
        (PATHS, push("x", "api/README.md", "api/x.py"), None),
        (PATHS, push("x", *"abcdef"), "the changed files are a, b, c and 3 more, not"),
        (PATHS, push("x", commits=[]), "it changes no file; wanted is api/**"),
        (PATHS, push("x", commits=None), "can't be told: the sender's pushes list no files"),
        (PATHS, push("x", commits=[{"id": "a"}]), "a commit of the payload lists no files"),
        (PATHS, push("x", total_commits_count=21), "the payload lists 1 of 21 commits"),
        (PATHS, push("x", total_commits=6), "can't be told: the payload lists 1 of 6 commits"),
        (PATHS, push("x", "api/x", total_commits=6), None),
        (PATHS, push("x", commits=push()["commits"] * 2048), "lists 2,048 commits"),
        (PATHS, push("x", *map(str, range(3000))), "lists 3,000 files, and there may be more"),
        (PATHS, push("x", commits=[{"added": [1, None], "removed": {}}]), "it changes no file"),
        (branches("main") | PATHS, push("dev", "api/x"), "the branch is dev, not main"),
        (branches("main") | PATHS, push("main", "x"), "the changed files are x"),
        (branches("main") | PATHS, push("main", "api/x"), None),
        (branches("main"), bitbucket(change("main")), None),
        (PATHS, bitbucket(change("main")), "can't be told: the sender's pushes list no files"),
        (branches("main"), bitbucket(change("a"), change("main")), None),
        (branches("main"), bitbucket(change("a"), change("b")), "is a, not main; the branch is b"),
        (branches("main"), bitbucket({"new": None, "old": change("main")["new"]}), "was deleted"),
        ({"tags": {}}, bitbucket(change("v1", "tag")), None),
        (branches("main"), bitbucket({}, None, 1), "neither a push"),
    ],
)
def test_a_push_filter(rule: Any, event: Any, why_not: str | None) -> None:
    found = reason(event, push=[rule])
    assert (found is None) if why_not is None else (found is not None and why_not in found), found


@pytest.mark.parametrize(
    ("rule", "event", "key", "why_not"),
    [
        ({}, pull_request("opened"), "", None),
        ({}, pull_request("reopened"), "", None),
        ({}, pull_request("synchronized"), "", None),
        ({"events": ["OPEN"]}, pull_request("closed"), "", "the pull request is CLOSED, not OPEN"),
        ({"events": ["CLOSED"]}, pull_request("closed"), "", None),
        ({"events": ["UPDATED"]}, pull_request("synchronize"), "", None),
        ({}, pull_request("labeled"), "", "neither a push nor a pull request"),
        ({}, pull_request(fork="other/app"), "", "from another repository"),
        (branches("main"), pull_request(base="dev"), "", "the target branch is dev, not main"),
        (PATHS, pull_request(), "", "the payload of a pull request lists no files"),
        ({}, push(), "", "it is a push, not a pull request"),
        ({"events": ["OPEN"]}, merge_request("open"), "", None),
        ({"events": ["OPEN"]}, merge_request("reopen"), "", None),
        ({"events": ["UPDATED"]}, merge_request("update", oldrev="a"), "", None),
        ({}, merge_request("update"), "", "neither a push"),
        ({"events": ["CLOSED"]}, merge_request("merge"), "", None),
        ({"events": ["CLOSED"]}, merge_request("close"), "", None),
        ({}, merge_request("approved"), "", "neither a push"),
        ({}, merge_request("open", source_project_id=2), "", "from another repository"),
        ({"events": ["OPEN"]}, BITBUCKET_REQUEST, "pullrequest:created", None),
        ({"events": ["UPDATED"]}, BITBUCKET_REQUEST, "pullrequest:updated", None),
        ({"events": ["CLOSED"]}, BITBUCKET_REQUEST, "pullrequest:fulfilled", None),
        ({"events": ["CLOSED"]}, BITBUCKET_REQUEST, "pullrequest:rejected", None),
        ({}, BITBUCKET_REQUEST, "pullrequest:approved", "neither a push"),
        ({}, BITBUCKET_REQUEST, "", "neither a push"),
    ],
)
def test_a_pull_request_filter(rule: Any, event: Any, key: str, why_not: str | None) -> None:
    found = reason(event, key, pullRequest=[rule])
    assert (found is None) if why_not is None else (found is not None and why_not in found), found


def test_one_filter_that_matches_is_enough() -> None:
    git: dict[str, Any] = {
        "push": [branches("a"), branches("b"), branches("c")],
        "pullRequest": [branches("main")],
    }
    seen = judged(push("b"), **git)
    assert [(trace.filter, trace.reason is None) for trace in seen.traces] == [
        ("push 1", False),
        ("push 2", True),
    ]
    seen = judged(push("d"), **git)
    assert seen.matched is None
    assert why_none_matched(seen.traces) == (
        "none of the pipeline's triggers matches: push 1: the branch is d, not a; push 2: the "
        "branch is d, not b; push 3: the branch is d, not c; pullRequest 1: it is a push, not a "
        "pull request"
    )
    assert judged(pull_request(), **git).traces[-1].filter == "pullRequest 1"


def test_a_trigger_without_filters_is_a_push_to_the_actions_branch() -> None:
    assert match_triggers(rules("release/{x}"), push("release/{x}"), "").matched is not None
    seen = match_triggers(rules("main"), push("dev"), "")
    assert why_none_matched(seen.traces) == (
        "the pipeline's trigger does not match: the branch is dev, not main"
    )


def test_a_trigger_is_about_its_own_source_action() -> None:
    declaration = {"triggers": [{"gitConfiguration": {"sourceActionName": "App"}}]}
    assert compile_trigger(triggers_of(declaration), "Other", {}) == ()
    assert compile_trigger(triggers_of({}), "App", {}) == ()


def test_a_pattern_stored_before_they_were_checked_matches_nothing() -> None:
    assert reason(push("a[b"), push=[branches("a[b")]) == "The pattern 'a[b' has a [ without ]"


def test_the_trace_says_what_was_found_and_wanted() -> None:
    [trace] = judged(push("dev"), push=[branches("main", excludes=["x"]) | PATHS]).traces
    assert (trace.found, trace.wanted) == (
        "push of branch dev",
        "push of branch main except x, with a file api/**, lib/*.py except **.md",
    )
    [trace] = judged(pull_request(), pullRequest=[{"events": ["CLOSED"]}]).traces
    assert (trace.found, trace.wanted) == (
        "pull request into main, OPEN",
        "pull request CLOSED, into any",
    )
    [trace] = judged({}, push=[{}]).traces
    assert (trace.found, trace.wanted) == (None, "push of branch any")


@pytest.mark.parametrize(
    ("event", "key"), [(pull_request(), ""), (merge_request("open"), ""), (push("x"), "")]
)
def test_what_matched_brings_its_commit(event: Any, key: str) -> None:
    matched = judged(event, key, push=[{}], pullRequest=[{}]).matched
    assert matched is not None
    revision = pushed_revision("App", matched.origin)
    assert revision is not None
    assert revision.revision_id == COMMIT


@pytest.mark.parametrize(
    ("event", "refs"),
    [
        (push("x"), ("refs/heads/x",)),
        (push("x") | {"ref": "refs/tags/v1"}, ("refs/tags/v1",)),
        (pull_request(number=7), ("refs/pull/7/head",)),
        (pull_request(number="7/../../x"), ()),
        (merge_request("open", iid=7), ("refs/merge-requests/7/head",)),
    ],
)
def test_x3_what_matched_names_the_ref_that_has_its_commit(
    event: Any, refs: tuple[str, ...]
) -> None:
    matched = judged(event, push=[{}, {"tags": {}}], pullRequest=[{}]).matched
    assert matched is not None
    assert matched.refs == refs


def test_of_several_branches_the_one_that_matched_brings_its_commit() -> None:
    event = bitbucket(change("a", commit="a" * 40), change("main", commit="b" * 40))
    matched = judged(event, push=[branches("main")]).matched
    assert matched is not None
    assert getattr(pushed_revision("App", matched.origin), "revision_id", "") == "b" * 40


def test_a_pull_request_of_bitbucket_says_that_its_commit_is_not_known() -> None:
    seen = judged(BITBUCKET_REQUEST, "pullrequest:created", pullRequest=[{}])
    assert seen.matched is not None
    assert pushed_revision("App", seen.matched.origin) is None
    assert "its commit id is not given in full" in str(seen.traces[0].found)


def test_evil_patterns_and_names_come_to_an_end() -> None:
    event = push("a" * 1_000_000, *(f"{number}" + "a" * 4_000 for number in range(2_000)))
    evil = {"includes": ["*a" * 127] * 8, "excludes": ["**a" + "?" * 250] * 8}
    found = reason(event, push=[{"filePaths": evil}])
    assert found is not None
    assert "are looked at" in found
    assert reason(event, push=[{"branches": evil}]) is not None


def test_of_many_files_the_first_are_looked_at() -> None:
    files = [f"some/folder/file-{number}.txt" for number in range(200_000)]
    event = push(
        "main", commits=[{"modified": files[n : n + 2000]} for n in range(0, 200_000, 2000)]
    )
    wanted = {"includes": ["**/*.{py,js}"] * 8, "excludes": ["**/x/**"] * 8}
    found = reason(event, push=[{"filePaths": wanted}])
    assert found is not None
    assert "only the first 10,000 are looked at" in found


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(KEYS),
                inner,
            )
        ),
        max_leaves=20,
    )
)
def test_no_event_breaks_the_judging(event: Any) -> None:
    for key in ("", "pullrequest:created"):
        judged(event, key, push=[{}, PATHS, {"tags": {}}], pullRequest=[{}, PATHS])


@pytest.mark.parametrize(
    "kind", json.loads(EXAMPLES.read_text()), ids=lambda kind: str(kind["name"])
)
def test_githubs_own_examples_are_told_apart(kind: Any) -> None:
    actions = {"opened": "OPEN", "reopened": "OPEN", "synchronize": "UPDATED", "closed": "CLOSED"}
    for event in kind["examples"]:
        found = git_events(event, "")
        if kind["name"] == "push":
            [item] = found
            assert isinstance(item, Push)
            assert f"refs/{'tags' if item.is_tag else 'heads'}/{item.name}" == event["ref"]
            assert item.deleted is event["deleted"]
            listed = {
                name
                for commit in event["commits"]
                for key in ("added", "modified", "removed")
                for name in commit[key]
            }
            assert set(item.changed_files(99_999).names) == listed
            assert item.changed_files(99_999).gap is None
        elif kind["name"] == "pull_request" and event["action"] in actions:
            [item] = found
            assert isinstance(item, PullRequest)
            assert (item.event, item.branch, item.from_fork) == (
                actions[event["action"]],
                event["pull_request"]["base"]["ref"],
                False,
            )
            revision = pushed_revision("App", item.origin)
            assert revision is not None
            assert revision.revision_id == event["pull_request"]["head"]["sha"]
        else:
            assert found == ()
