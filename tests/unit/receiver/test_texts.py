import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.model import Filter, GitTrigger, Patterns, PushFilter
from hookline.receiver.filters import compile_filters, match
from hookline.receiver.git_triggers import compile_trigger, match_triggers
from hookline.receiver.texts import joined, shown

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values.filter(lambda value: isinstance(value, dict | list)), st.integers(1, 40))
def test_a_cut_value_is_the_beginning_of_its_compact_json(value: Any, limit: int) -> None:
    whole = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    wanted = whole if len(whole) <= limit else whole[: limit - 1] + "…"
    assert shown(value, limit) == wanted


@given(st.lists(st.text(min_size=1)), st.integers(1, 20))
def test_joined_texts_are_cut(texts: list[str], limit: int) -> None:
    whole = "; ".join(texts)
    assert joined(texts, limit) == (whole if len(whole) <= limit else whole[: limit - 1] + "…")


def peak(work: Any) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wanted", [None, "main"])
def test_a_large_nested_value_is_shown_without_writing_it_whole(wanted: str | None) -> None:
    event: Any = {"name": "x" * 5_000_000}
    for _ in range(60):
        event = {"name": event}
    [compiled] = compile_filters([Filter("$..name", wanted)])
    assert peak(lambda: match(compiled, event, {})) < 100_000


@pytest.mark.parametrize(
    "event",
    [
        {"ref": f"refs/heads/{'x' * 5_000_000}", "after": "1" * 40},
        {"push": {"changes": [{"new": {"name": "x" * 500}}] * 100_000}},
        {"ref": "refs/heads/a", "after": "1" * 40, "commits": [{"added": ["x" * 5_000_000]}]},
    ],
)
def test_a_large_push_is_judged_without_writing_it_whole(event: Any) -> None:
    patterns = Patterns(("main",))
    trigger = GitTrigger("App", (PushFilter(branches=patterns), PushFilter(file_paths=patterns)))
    rules = compile_trigger([trigger], "App", {})
    # The name without its prefix is a copy.
    assert peak(lambda: match_triggers(rules, event, "")) < 7_000_000
    assert all(len(seen.reason or "") <= 1_000 for seen in match_triggers(rules, event, "").traces)
