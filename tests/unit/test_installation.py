"""The folder of artifacts is Hookline's alone."""

import os
from pathlib import Path
from typing import Any

import pytest

from hookline.config import Settings
from hookline.errors import SettingsError
from hookline.installation import artifact_place, claim_artifact_folder


def settings(place: Any) -> Settings:
    return Settings(artifact_store=str(place))


@pytest.mark.parametrize("exists", [True, False])
def test_x8_an_empty_folder_is_claimed_and_then_known_again(tmp_path: Path, exists: bool) -> None:  # noqa: FBT001 - a parameter of the test
    folder = tmp_path / "a" / "b"
    if exists:
        folder.mkdir(parents=True)
    claim_artifact_folder(settings(folder))
    (folder / "1").mkdir()
    claim_artifact_folder(settings(folder))


def test_x8_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(SettingsError, match=r"holds other things, such as photo\.jpg"):
        claim_artifact_folder(settings(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
    (tmp_path / ".hookline-artifacts").touch()
    claim_artifact_folder(settings(tmp_path))


def test_x8_a_fresh_file_system_is_claimed(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir(mode=0o700)
    claim_artifact_folder(settings(tmp_path))
    assert (tmp_path / ".hookline-artifacts").exists()


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="artifact_store names the folder"):
        claim_artifact_folder(settings(tmp_path / "file"))


def test_buckets_and_the_data_folder_are_not_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("", "s3://bucket/prefix"):
        claim_artifact_folder(settings(place))
    assert list(tmp_path.iterdir()) == []


def test_the_id_of_a_folder_stays_when_a_start_of_the_same_process_id_broke_off(
    tmp_path: Path,
) -> None:
    place = artifact_place(settings(tmp_path))
    identity = tmp_path / ".hookline-artifacts-id"
    (tmp_path / f".hookline-artifacts-id.{os.getpid()}").hardlink_to(identity)

    assert artifact_place(settings(tmp_path)) == place
