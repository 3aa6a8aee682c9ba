"""The profile that points AWS clients at this Hookline, as files of AWS's own form."""

import os
from pathlib import Path

from hookline.config import Settings
from hookline.model import Credential


def credentials_file(settings: Settings) -> Path:
    """The file for AWS_SHARED_CREDENTIALS_FILE."""
    return settings.data_dir.absolute() / "aws" / "credentials"


def config_file(settings: Settings) -> Path:
    """The file for AWS_CONFIG_FILE."""
    return settings.data_dir.absolute() / "aws" / "config"


def exports(settings: Settings) -> str:
    """The two lines that a shell needs for `aws codepipeline …` and boto3 to work unchanged."""
    return (
        f"export AWS_SHARED_CREDENTIALS_FILE={credentials_file(settings)}\n"
        f"export AWS_CONFIG_FILE={config_file(settings)}"
    )


def write_profile(settings: Settings, credential: Credential) -> None:
    """Write both files (0600), with the address that the API has now."""
    folder = credentials_file(settings).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(
        credentials_file(settings),
        "[default]\n"
        f"aws_access_key_id = {credential.access_key_id}\n"
        f"aws_secret_access_key = {credential.secret_access_key}\n",
    )
    _write(
        config_file(settings),
        f"[default]\nregion = {settings.region}\nendpoint_url = {settings.endpoint_url}\n",
    )


def replace_in_profile(settings: Settings, old: Credential, new: Credential) -> None:
    """Put the key `new` where the profile has `old`; the address stays the running server's."""
    file = credentials_file(settings)
    if not file.exists():
        return
    text = file.read_text()
    if old.access_key_id in text:
        text = text.replace(old.access_key_id, new.access_key_id)
        _write(file, text.replace(old.secret_access_key, new.secret_access_key))


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    draft.replace(file)
