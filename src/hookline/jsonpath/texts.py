"""Values as text, written as Java writes them: for `concat()`, and where a number meets a string."""

import json
from decimal import Decimal
from typing import Any

from hookline.jsonpath.errors import FunctionError
from hookline.jsonpath.reading import Reading

_MAX_BITS = 16_384
_CHARACTERS_A_NODE = 100


def double_text(value: float) -> str:
    """`1.0`, `0.001`, `1.0E7`, `1.5E-4`, `NaN`, `-Infinity`."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - only NaN differs from itself
        return repr(value).replace("inf", "Infinity").replace("nan", "NaN")
    if value == 0 or 1e-3 <= abs(value) < 1e7:  # noqa: PLR2004 - where Double.toString changes form
        return repr(value)
    number = Decimal(repr(value)).normalize()
    digits = "".join(map(str, number.as_tuple().digits))
    return f"{'-' * (value < 0)}{digits[0]}.{digits[1:] or '0'}E{number.adjusted()}"


def integer_text(value: int) -> str:
    """Decimal digits.

    Raises:
        FunctionError: more than some 5,000 of them.
    """
    if value.bit_length() > _MAX_BITS:
        raise FunctionError("a number has too many digits")
    return str(Decimal(value))


def number_text(value: float | Decimal) -> str:
    """The text that a string is compared with when it meets this number."""
    if isinstance(value, int):
        return integer_text(value)
    number = Decimal(double_text(value)) if isinstance(value, float) else value
    return str(number if number else abs(number))


def scalar_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return integer_text(value)
    return double_text(value) if isinstance(value, float) else str(value)


def value_text(value: Any, reading: Reading) -> str:
    """A scalar's text, an object as `{k=v, n=1}`, a list as compact JSON with `/` as `\\/`.

    Each hundred characters cost a node of the budget.
    """
    if isinstance(value, dict):
        reading.spend(len(value))
        pairs = [f"{key}={value_text(item, reading)}" for key, item in value.items()]
        text = f"{{{', '.join(pairs)}}}"
    elif isinstance(value, list):
        text = _json_text(value, reading)
    else:
        text = scalar_text(value)
    reading.spend(1 + len(text) // _CHARACTERS_A_NODE)
    return text


def _json_text(value: Any, reading: Reading) -> str:
    if isinstance(value, dict):
        reading.spend(len(value))
        pairs = [f"{_quoted(key)}:{_json_text(item, reading)}" for key, item in value.items()]
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        reading.spend(len(value))
        return f"[{','.join([_json_text(item, reading) for item in value])}]"
    return _quoted(value) if isinstance(value, str) else scalar_text(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("/", "\\/")
