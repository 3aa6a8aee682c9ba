from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.model import SourceRevision
from hookline.receiver.revision import pushed_revision

COMMIT = "1f" * 20
URL = "https://github.com/o/r/commit/1"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["ref", "after", "head_commit", "commits", "push", "changes", "new", "target"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def revised(commit: str, summary: str | None, url: str | None) -> SourceRevision:
    return SourceRevision("App", commit, summary, url, reachable_from=())


def test_t11_githubs_push() -> None:
    event = {
        "ref": "refs/heads/main",
        "after": COMMIT,
        "head_commit": {"id": COMMIT, "message": "Say hello\n\nMore", "url": URL},
    }
    assert pushed_revision("App", event) == revised(COMMIT, "Say hello\n\nMore", URL)


def test_t11_gitlabs_push_has_its_message_among_the_commits() -> None:
    commits = [{"id": "0" * 39 + "1", "message": "older"}, {"id": COMMIT, "message": "newest"}]
    event = {"ref": "refs/heads/main", "after": COMMIT, "commits": [*commits, "nonsense"]}
    assert pushed_revision("App", event) == revised(COMMIT, "newest", None)


def test_t11_bitbuckets_push() -> None:
    target = {"hash": COMMIT, "message": "Say hello"}
    event = {"push": {"changes": [{"new": {"type": "branch", "target": target}}]}}
    assert pushed_revision("App", event) == revised(COMMIT, "Say hello", None)


@pytest.mark.parametrize(
    "event",
    [
        {"ref": "refs/heads/main", "after": "0" * 40},
        {"ref": "refs/heads/main", "after": "0" * 64},
        {"ref": "refs/heads/main", "after": None},
        {"ref": "refs/heads/main", "after": COMMIT.upper()},
        {"ref": "refs/heads/main", "after": COMMIT[:-1]},
        {"ref": "refs/heads/main", "after": f"{COMMIT}\n"},
        {"ref": "refs/heads/main", "after": "--upload-pack=x"},
        {"after": COMMIT},
        {"push": {"changes": []}},
        {"push": {"changes": [{"new": None}]}},
        {"action": "published"},
        [],
        "text",
        None,
    ],
)
def test_t11_what_is_no_push_of_a_commit_has_no_revision(event: Any) -> None:
    assert pushed_revision("App", event) is None


def test_t11_a_long_message_and_a_link_that_is_none_do_not_go_further() -> None:
    head: dict[str, Any] = {"id": COMMIT, "message": "x" * 5_000, "url": "javascript:alert(1)"}
    revision = pushed_revision("App", {"ref": "r", "after": COMMIT, "head_commit": head})
    assert revision == revised(COMMIT, "x" * 2_048, None)
    head = {"id": COMMIT, "message": 7, "url": f"{URL}\nx"}
    revision = pushed_revision("App", {"ref": "r", "after": COMMIT, "head_commit": head})
    assert revision == revised(COMMIT, None, None)


@given(values)
def test_t11_no_event_breaks_it(event: Any) -> None:
    revision = pushed_revision("App", event)
    assert revision is None or len(revision.revision_id) in {40, 64}
