"""Access keys, their secrets sealed."""

import secrets
import string
import time

from sqlalchemy import Connection, Row, delete, func, or_, select, update

from hookline.model import Credential
from hookline.sealing import Seal
from hookline.store.tables import credentials, pipeline_versions, webhooks

_PURPOSE = "credential"
_ALPHABET = string.ascii_uppercase + "234567"


def create(
    connection: Connection,
    seal: Seal,
    account: str,
    *,
    read_only: bool = False,
    description: str = "",
) -> Credential:
    """Make and keep a new access key of `account`, shaped as AWS's keys are."""
    credential = Credential(
        access_key_id="AKIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
        secret_access_key=secrets.token_urlsafe(30),
        account=account,
        created_at=time.time(),
        read_only=read_only,
        description=description,
    )
    connection.execute(
        credentials.insert().values(
            access_key_id=credential.access_key_id,
            account=account,
            secret_sealed=seal.seal(credential.secret_access_key, _PURPOSE),
            created_at=credential.created_at,
            read_only=read_only,
            disabled=False,
            description=description,
        )
    )
    return credential


def find(connection: Connection, seal: Seal, access_key_id: str) -> Credential | None:
    """The credential of an access key id."""
    row = connection.execute(
        select(credentials).where(credentials.c.access_key_id == access_key_id)
    ).first()
    return None if row is None else _credential(row, seal)


def all_of(connection: Connection, seal: Seal) -> list[Credential]:
    """All credentials, the oldest first."""
    rows = connection.execute(select(credentials).order_by(credentials.c.created_at))
    return [_credential(row, seal) for row in rows]


def count(connection: Connection) -> int:
    """How many access keys there are."""
    return connection.execute(select(func.count()).select_from(credentials)).scalar_one()


def set_disabled(connection: Connection, access_key_id: str, *, disabled: bool) -> None:
    """Disable an access key, or enable it again."""
    connection.execute(
        update(credentials)
        .where(credentials.c.access_key_id == access_key_id)
        .values(disabled=disabled)
    )


def touch(connection: Connection, access_key_id: str, used_at: float) -> None:
    """Keep that a key was used at `used_at` (epoch seconds), unless a later use is known."""
    last_used = credentials.c.last_used
    connection.execute(
        update(credentials)
        .where(credentials.c.access_key_id == access_key_id)
        .where(or_(last_used.is_(None), last_used < used_at))
        .values(last_used=used_at)
    )


def remove(connection: Connection, access_key_id: str) -> bool:
    """Delete an access key; whether there was one."""
    return bool(
        connection.execute(
            delete(credentials).where(credentials.c.access_key_id == access_key_id)
        ).rowcount
    )


def secrets_may_exist(connection: Connection) -> bool:
    """Whether the database has a row that can hold anything sealed by the master key."""
    # A version of a pipeline may hold an OAuth token; the others always hold a secret.
    tables = (credentials, webhooks, pipeline_versions)
    return any(connection.execute(select(table).limit(1)).first() for table in tables)


def _credential(row: Row[tuple[object, ...]], seal: Seal) -> Credential:
    return Credential(
        access_key_id=row.access_key_id,
        secret_access_key=seal.open(row.secret_sealed, _PURPOSE),
        account=row.account,
        created_at=row.created_at,
        read_only=row.read_only,
        disabled=row.disabled,
        description=row.description,
        last_used=row.last_used,
    )
