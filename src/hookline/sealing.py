"""Secrets are stored sealed: AES-256-GCM under a master key that never enters the database."""

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hookline.errors import SealError, SettingsError

MASK = "****"
"""What is shown in place of a secret."""

_KEY_SIZE = 32
_KEY_ID_SIZE = 4
_NONCE_SIZE = 12


def is_mask(text: str) -> bool:
    """Whether a text stands for a secret that is kept: four or more stars, and nothing else."""
    return len(text) >= len(MASK) and not text.strip("*")


class Seal:
    """Seals and opens secrets with a ring of master keys; the first key seals, all open.

    A sealed secret is: key id (4 bytes), nonce (12 bytes), ciphertext with tag. The purpose is
    bound to it, so that a sealed value can't be moved to another column and opened there.
    """

    def __init__(self, keys: list[bytes]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._current = _key_id(keys[0])
        self._keys = keys

    def seal(self, secret: str, purpose: str) -> bytes:
        """Encrypt `secret` for `purpose`."""
        nonce = os.urandom(_NONCE_SIZE)
        sealed = self._ciphers[self._current].encrypt(nonce, secret.encode(), purpose.encode())
        return self._current + nonce + sealed

    def open(self, sealed: bytes, purpose: str) -> str:
        """Decrypt what `seal` made for the same purpose. Raises SealError."""
        key_id, nonce = sealed[:_KEY_ID_SIZE], sealed[_KEY_ID_SIZE : _KEY_ID_SIZE + _NONCE_SIZE]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealError(
                f"A stored secret was sealed with master key {key_id.hex()}, which is not in "
                "HOOKLINE_MASTER_KEY or master.key. Put that key back (it may come second)."
            )
        try:
            opened = cipher.decrypt(nonce, sealed[_KEY_ID_SIZE + _NONCE_SIZE :], purpose.encode())
        except InvalidTag as error:
            raise SealError from error
        return opened.decode()

    def derived_key(self, purpose: str) -> bytes:
        """A 32-byte key for another use, from the current master key."""
        return _derive(self._keys[0], purpose)

    def new_token(self) -> str:
        """A webhook URL's token: 256 random bits, and a check that only a key's holder can make.

        The check lets a receiver refuse a guessed token without asking the store.
        """
        random = secrets.token_bytes(_KEY_SIZE)
        return _text(random + self._token_check(self._keys[0], random))

    def is_token(self, token: str) -> bool:
        """Whether `token` was made by `new_token` under any key of the ring."""
        try:
            decoded = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        except ValueError:
            return False
        random, check = decoded[:_KEY_SIZE], decoded[_KEY_SIZE:]
        # A second spelling of the same bytes is another token, which nobody was given.
        return _text(decoded) == token and any(
            hmac.compare_digest(self._token_check(key, random), check) for key in self._keys
        )

    @staticmethod
    def _token_check(key: bytes, random: bytes) -> bytes:
        return hmac.digest(_derive(key, "webhook-token"), random, "sha256")[:8]


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _derive(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, purpose.encode(), "sha256")


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"hookline-key-id" + key).digest()[:_KEY_ID_SIZE]


def load_seal(master_key: str, file: Path) -> Seal:
    """The seal of the `master_key` setting, else of `file`.

    Raises SettingsError when a key is not 32 bytes in base64, or there is none.
    """
    if master_key:
        return Seal(_decode(master_key.split(","), "HOOKLINE_MASTER_KEY"))
    try:
        text = file.read_text("ascii", errors="replace")
    except FileNotFoundError as error:
        raise SettingsError(
            f"There is no master key: {file} is missing, and HOOKLINE_MASTER_KEY is not set. What "
            "is stored encrypted under it can't be read without it: webhook URLs, secret tokens, "
            "OAuth tokens and access keys. Put the file back; `hookline serve` makes one only "
            "where nothing is stored yet."
        ) from error
    return Seal(_decode(text.split(), str(file)))


def make_master_key(file: Path) -> None:
    """Write a new key to `file`, mode 0600, unless there is one."""
    if file.exists():
        return
    text = base64.b64encode(secrets.token_bytes(_KEY_SIZE)).decode() + "\n"
    # A crash half-way must not leave a short key behind, nor two first starts two keys.
    descriptor, name = tempfile.mkstemp(prefix=f"{file.name}.", dir=file.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            file.hardlink_to(draft)
    finally:
        draft.unlink()


def _decode(texts: list[str], source: str) -> list[bytes]:
    try:
        keys = [base64.b64decode(text.strip(), validate=True) for text in texts if text.strip()]
    except ValueError:
        keys = []
    if not keys or any(len(key) != _KEY_SIZE for key in keys):
        raise SettingsError(
            f"{source} must hold keys of 32 bytes in base64. Make one with: openssl rand -base64 32"
        )
    return keys
