"""Temporary credentials: all that the server must know of them is sealed in their token."""

import base64
import binascii
import json
import secrets
import string

from hookline.errors import SealError
from hookline.model import Credential, Session
from hookline.sealing import Seal

_PURPOSE = "session-token"
_ALPHABET = string.ascii_uppercase + "234567"


def issue(seal: Seal, credential: Credential, expires_at: float) -> tuple[Session, str]:
    """A session of an access key until `expires_at` (epoch seconds), and its session token."""
    session = Session(
        access_key_id="ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
        secret_access_key=secrets.token_urlsafe(30),
        issuer=credential.access_key_id,
        expires_at=expires_at,
    )
    fields = [
        session.access_key_id,
        session.secret_access_key,
        session.issuer,
        session.expires_at,
    ]
    sealed = seal.seal(json.dumps(fields), _PURPOSE)
    return session, base64.b64encode(sealed).decode()


def opened(seal: Seal, token: str) -> Session | None:
    """The session of a session token; None for a token that `issue` did not make."""
    try:
        sealed = base64.b64decode(token, validate=True)
        return Session(*json.loads(seal.open(sealed, _PURPOSE)))
    except (binascii.Error, ValueError, SealError):
        return None
