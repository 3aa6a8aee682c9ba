"""Page tokens: opaque, sealed, and good only for the scope and operation that gave them (L2)."""

import base64
import hashlib
import hmac
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from hookline.errors import InvalidNextTokenException
from hookline.model import Scope


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


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _bound_to(scope: Scope, operation: str) -> list[bytes]:
    return [scope.account.encode(), scope.region.encode(), operation.encode()]
