"""Page tokens: opaque, sealed, and good only for the scope and operation that gave them (L2)."""

import base64
import functools
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from hookline.errors import InvalidNextTokenException
from hookline.model import Scope

_Entry = TypeVar("_Entry")


class PageTokens:
    """Makes and opens page tokens with keys derived from `key` (any length, kept secret).

    AES-SIV needs no nonce, so a page's token is always the same text. A token of a position of up
    to 1,500 bytes of JSON keeps inside the model's 2,048 characters.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(hmac.digest(key, b"hookline page tokens", hashlib.sha512))

    def encode(self, scope: Scope, operation: str, position: Any) -> str:
        """The token, in URL-safe text, for a JSON `position` in the results of `operation`."""
        return _text(self._cipher.encrypt(orjson.dumps(position), _bound_to(scope, operation)))

    def decode(self, scope: Scope, operation: str, token: str) -> Any:
        """The position that `token` was made from.

        Raises InvalidNextTokenException: forged, cut, or made for another scope or operation.
        """
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            if _text(sealed) != token:  # base64 has several texts for the same bytes
                raise InvalidNextTokenException
            return orjson.loads(self._cipher.decrypt(sealed, _bound_to(scope, operation)))
        except (InvalidTag, ValueError):
            raise InvalidNextTokenException from None

    def page(self, scope: Scope, operation: str, token: str | None, size: int) -> "Page":
        """The page of at most `size` entries that `token` leads to; without it the first.

        Raises InvalidNextTokenException.
        """
        after = self.decode(scope, operation, token) if token else None
        return Page(after, size, functools.partial(self.encode, scope, operation))


@dataclass(frozen=True, slots=True)
class Page:
    """A page that a call asks for: up to `size` entries after the position `after`, if any."""

    after: Any
    size: int
    token_of: Callable[[Any], str]

    @property
    def limit(self) -> int:
        """How many entries to read: one too many shows that another page follows."""
        return self.size + 1

    def cut(
        self, found: Sequence[_Entry], position: Callable[[_Entry], Any]
    ) -> tuple[Sequence[_Entry], str | None]:
        """The entries of this page, and the token of the next one if `found` has more.

        `position` gives the JSON position of an entry, after which the next page begins.
        """
        shown = found[: self.size]
        return shown, self.token_of(position(shown[-1])) if len(found) > self.size else None


def page_query(operation: str, parameters: Mapping[str, Any]) -> str:
    """An operation with the filters of a call, to bind its page tokens to.

    A position in other results would mean nothing.
    """
    filters = {
        name: value for name, value in parameters.items() if name not in {"nextToken", "maxResults"}
    }
    return f"{operation} {orjson.dumps(filters, option=orjson.OPT_SORT_KEYS).decode()}"


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _bound_to(scope: Scope, operation: str) -> list[bytes]:
    return [scope.account.encode(), scope.region.encode(), operation.encode()]
