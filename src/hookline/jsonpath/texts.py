"""Values as text, as Java writes them: for `concat()`, and where a number meets a string."""

import json
from decimal import Decimal
from math import isfinite
from typing import Any

from hookline.jsonpath.reading import Reading

_CHARACTERS_A_NODE = 100
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7


def scalar_text(value: Any) -> str:
    """A string as it is, `true`, `null`, `12`, and doubles as `1.0`, `1.0E7`, `1.5E-4`."""
    if isinstance(value, float):
        return _double_text(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    # By way of Decimal, since str() refuses an int of more than 4,300 digits.
    return str(Decimal(value)) if isinstance(value, int) else str(value)


def _double_text(value: float) -> str:
    if not isfinite(value) or value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        return json.dumps(value)
    number = Decimal(repr(value)).normalize()
    digits = "".join(map(str, number.as_tuple().digits))
    return f"{'-' * (value < 0)}{digits[0]}.{digits[1:] or '0'}E{number.adjusted()}"


def number_text(value: float | Decimal) -> str:
    """The text that stands for a number where a filter compares it with a string."""
    number = Decimal(scalar_text(value))
    return str(number or abs(number))


def value_text(value: Any, reading: Reading) -> str:
    r"""A scalar's text, an object as `{k=v, n=1}`, a list as compact JSON with `/` as `\/`."""
    if isinstance(value, dict):
        reading.spend(len(value))
        pairs = [f"{key}={value_text(each, reading)}" for key, each in value.items()]
        text = f"{{{', '.join(pairs)}}}"
    elif isinstance(value, list):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    else:
        text = scalar_text(value)
    reading.spend(1 + len(text) // _CHARACTERS_A_NODE)
    return text
