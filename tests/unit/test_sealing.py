import base64
import errno
import os
import secrets
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.errors import SealError, SettingsError
from hookline.sealing import Seal, load_seal, make_master_key

OLD, NEW = b"o" * 32, b"n" * 32


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


@given(st.text(), st.text())
def test_what_was_sealed_opens_for_its_purpose_only(secret: str, purpose: str) -> None:
    seal = Seal([NEW])
    sealed = seal.seal(secret, purpose)
    assert seal.open(sealed, purpose) == secret
    with pytest.raises(SealError):
        seal.open(sealed, purpose + "x")


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    seal = Seal([NEW])
    sealed = bytearray(seal.seal("secret", "purpose"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        seal.open(bytes(sealed), "purpose")


@given(st.binary(max_size=40))
def test_no_bytes_break_it(sealed: bytes) -> None:
    with pytest.raises(SealError):
        Seal([NEW]).open(sealed, "purpose")


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    seal = Seal([NEW])
    assert len({seal.seal("secret", "purpose") for _ in range(100)}) == 100


def test_a_key_can_be_rotated() -> None:
    sealed = Seal([OLD]).seal("secret", "purpose")
    rotated = Seal([NEW, OLD])
    assert rotated.open(sealed, "purpose") == "secret"
    assert Seal([NEW]).open(rotated.seal("secret", "purpose"), "purpose") == "secret"
    with pytest.raises(SealError, match="which is not in HOOKLINE_MASTER_KEY"):
        Seal([NEW]).open(sealed, "purpose")


def test_p3_a_token_holds_256_random_bits_and_a_check() -> None:
    seal = Seal([NEW])
    tokens = {seal.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(seal.is_token(token) for token in tokens)
    assert (
        len({base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) for token in tokens}) == 100
    )
    assert min(len(base64.urlsafe_b64decode(token + "==")) for token in tokens) == 40


def test_p3_tokens_outlive_a_rotation_and_are_bound_to_a_key() -> None:
    token = Seal([OLD]).new_token()
    assert Seal([NEW, OLD]).is_token(token)
    assert not Seal([NEW]).is_token(token)


@given(st.text())
def test_p3_no_other_text_is_a_token(guess: str) -> None:
    assert not Seal([NEW]).is_token(guess)


@given(st.data())
def test_p3_a_changed_or_respelled_token_is_none(data: st.DataObject) -> None:
    seal = Seal([NEW])
    token = seal.new_token()
    position = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0-_=+/ ")
    )
    changed = token[:position] + letter + token[position + 1 :]
    assert seal.is_token(changed) is (changed == token)
    assert not seal.is_token(f"{token}=")
    assert not seal.is_token(token + letter)


def test_derived_keys_differ_by_purpose_and_from_the_master_key() -> None:
    seal = Seal([NEW])
    keys = {seal.derived_key("a"), seal.derived_key("b"), NEW}
    assert len(keys) == 3
    assert seal.derived_key("a") == Seal([NEW, OLD]).derived_key("a")


def test_a_first_start_makes_a_key_file_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    make_master_key(file)
    sealed = load_seal("", file).seal("secret", "purpose")
    make_master_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_seal("", file).open(sealed, "purpose") == "secret"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_crashed_start_left_does_not_stop_the_next_one(tmp_path: Path) -> None:
    # In a container every start has the same process id.
    (tmp_path / f"master.key.{os.getpid()}").touch()
    make_master_key(tmp_path / "master.key")
    load_seal("", tmp_path / "master.key")


def test_a_key_that_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, f"no space for {descriptor}")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        make_master_key(tmp_path / "master.key")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_key_is_not_made_by_who_only_reads(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read without it"):
        load_seal("", tmp_path / "master.key")
    assert list(tmp_path.iterdir()) == []


def test_the_setting_goes_before_the_file_and_holds_several_keys(tmp_path: Path) -> None:
    sealed = load_seal(text(OLD), tmp_path / "master.key").seal("secret", "purpose")
    rotated = load_seal(f"{text(NEW)}, {text(OLD)}", tmp_path / "master.key")
    assert rotated.open(sealed, "purpose") == "secret"
    assert not (tmp_path / "master.key").exists()


@pytest.mark.parametrize("value", ["x", text(b"short"), text(NEW)[:-4], f"{text(NEW)},x", ",", "é"])
def test_a_key_that_cannot_be_used_is_refused_without_being_shown(
    tmp_path: Path, value: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_seal(value, tmp_path / "master.key")
    assert "openssl rand -base64 32" in caught.value.message
    assert len(value) < 4 or value not in caught.value.message
    (tmp_path / "master.key").write_text(value)
    with pytest.raises(SettingsError):
        load_seal("", tmp_path / "master.key")


def test_a_seal_does_not_show_its_keys() -> None:
    key = secrets.token_bytes(32)
    assert text(key) not in repr(Seal([key]))
    assert repr(key) not in repr(Seal([key]))
