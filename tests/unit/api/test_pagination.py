"""Page tokens are opaque text, bound to one scope and operation."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.api.constraints import check
from hookline.api.pagination import PageTokens
from hookline.api.service import CODEPIPELINE
from hookline.errors import InvalidNextTokenException
from hookline.model import Scope

SCOPE = Scope("123456789012", "us-east-1")
TOKENS = PageTokens(b"key")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_l2_a_token_gives_its_position_back(position: Any) -> None:
    token = TOKENS.encode(SCOPE, "ListWebhooks", position)
    assert TOKENS.decode(SCOPE, "ListWebhooks", token) == position


def test_l2_a_token_satisfies_the_model_and_stays_the_same() -> None:
    token = TOKENS.encode(SCOPE, "ListWebhooks", "x" * 1498)
    check(CODEPIPELINE.operations["ListWebhooks"], {"NextToken": token})
    assert token == PageTokens(b"key").encode(SCOPE, "ListWebhooks", "x" * 1498)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_l2_a_token_hides_its_position() -> None:
    assert "deploy" not in TOKENS.encode(SCOPE, "ListWebhooks", "deploy")
    first, second = (TOKENS.encode(SCOPE, "ListWebhooks", name) for name in ("deploy", "deplox"))
    assert first[:4] != second[:4]


@pytest.mark.parametrize(
    ("tokens", "scope", "operation"),
    [
        (TOKENS, Scope("123456789012", "us-east-2"), "ListWebhooks"),
        (TOKENS, Scope("123456789013", "us-east-1"), "ListWebhooks"),
        (TOKENS, Scope("123456789012us", "-east-1"), "ListWebhooks"),
        (TOKENS, SCOPE, "ListPipelines"),
        (PageTokens(b"other"), SCOPE, "ListWebhooks"),
    ],
)
def test_l2_a_token_is_good_only_where_it_was_given(
    tokens: PageTokens, scope: Scope, operation: str
) -> None:
    token = TOKENS.encode(SCOPE, "ListWebhooks", "deploy")
    with pytest.raises(InvalidNextTokenException):
        tokens.decode(scope, operation, token)


@given(st.text(max_size=80))
def test_l2_a_forged_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidNextTokenException):
        TOKENS.decode(SCOPE, "ListWebhooks", token)


@given(st.data())
def test_l2_a_changed_token_is_refused(data: st.DataObject) -> None:
    token = TOKENS.encode(SCOPE, "ListWebhooks", ["deploy", 5])
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_ =+/é"))
    changed = token[:place] + other + token[place + 1 :]
    if changed != token:
        with pytest.raises(InvalidNextTokenException):
            TOKENS.decode(SCOPE, "ListWebhooks", changed)


@pytest.mark.parametrize("position", ["", "a", "ab", "abc"])
def test_l2_the_last_character_counts_in_full(position: str) -> None:
    token = TOKENS.encode(SCOPE, "ListWebhooks", position)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for letter in set(letters) - {token[-1]}:
        with pytest.raises(InvalidNextTokenException):
            TOKENS.decode(SCOPE, "ListWebhooks", token[:-1] + letter)
