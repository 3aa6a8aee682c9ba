"""No function is more complex than the limit, comprehensions and boolean operators counted."""

from support.guards import CHECKOUT
from support.lines import too_complex


def test_no_function_is_too_complex() -> None:
    assert too_complex(CHECKOUT / "src") == {}
