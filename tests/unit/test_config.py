import ipaddress
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from hookline.config import Settings, described, is_loopback, load, table
from hookline.errors import SettingsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hookline.toml"


def test_without_anything_the_defaults_count(file: Path) -> None:
    assert load({}, file) == Settings()


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(file: Path) -> None:
    file.write_text('port = 1\nregion = "eu-west-1"\nreveal_secrets = true\n')
    settings = load({"HOOKLINE_PORT": "2", "OTHER": "x"}, file)
    assert (settings.port, settings.region, settings.reveal_secrets) == (2, "eu-west-1", True)
    assert settings.account == "000000000000"


def test_words_of_a_shell_and_names_of_images_are_taken_apart(file: Path) -> None:
    file.write_text(
        "container_run_options = \"--network=host --annotation 'a=b c'\"\n"
        'container_images = ["go=docker.io/library/golang:1.25", "aws/codebuild/a:1=b:2"]\n'
    )

    settings = load({}, file)
    shown = {name: value for name, value, *_ in described({}, file)}

    assert settings.container_run_options == ("--network=host", "--annotation", "a=b c")
    assert dict(settings.container_images)["aws/codebuild/a:1"] == "b:2"
    assert shown["container_run_options"] == "--network=host --annotation 'a=b c'"
    assert shown["container_images"] == "go=docker.io/library/golang:1.25,aws/codebuild/a:1=b:2"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("container_program", "/usr/bin/env", "podman or docker"),
        ("container_image", "--privileged", "is no name of an image"),
        ("container_images", "go", "name=image"),
        ("container_images", "go=-v/:/host", "is no name of an image"),
        ("container_run_options", "'open", "No closing quotation"),
    ],
)
def test_a_setting_of_containers_that_can_not_be_used_is_said(
    file: Path, name: str, value: str, says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        load({f"HOOKLINE_{name.upper()}": value}, file)


def test_the_file_may_be_named_in_the_environment(file: Path) -> None:
    file.write_text("port = 1")
    assert load({"HOOKLINE_CONFIG": str(file)}).port == 1


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_body", "25MB", 25_000_000),
        ("max_body", "1.5kb", 1_500),
        ("max_body", "0", 0),
        ("dedupe_window", "0.5", 0.5),
        ("reveal_secrets", "Yes", True),
        ("reveal_secrets", "0", False),
        ("public_url", "https://x.example/ci/", "https://x.example/ci"),
        ("github_url", "file:///srv/git", "file:///srv/git"),
        ("data_dir", "/x", Path("/x")),
        ("account", "123456789012", "123456789012"),
        (
            "trusted_proxies",
            "10.0.0.0/8, ::1",
            (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")),
        ),
    ],
)
def test_each_text_becomes_its_value(file: Path, name: str, text: str, value: object) -> None:
    assert getattr(load({f"HOOKLINE_{name.upper()}": text}, file), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "-1"),
        ("port", "65536"),
        ("port", "http"),
        ("max_body", "many"),
        ("max_body", "xMB"),
        ("max_body", "-1MB"),
        ("max_body", "infMB"),
        ("max_log", "nanKB"),
        ("dedupe_window", "-1"),
        ("dedupe_window", "nan"),
        ("dedupe_window", "inf"),
        ("reveal_secrets", "perhaps"),
        ("account", "12345678901"),
        ("account", "１２３４５６７８９０１２"),  # noqa: RUF001 - digits, but not ASCII ones
        ("trusted_proxies", "10.0.0.1/8"),
        ("public_url", "example.com"),
        ("github_url", "ftp://x"),
    ],
)
def test_a_value_that_cannot_be_used_names_the_setting_and_where_it_was_set(
    file: Path, name: str, text: str
) -> None:
    variable = f"HOOKLINE_{name.upper()}"
    with pytest.raises(SettingsError) as caught:
        load({variable: text}, file)
    assert caught.value.message.startswith(f"{variable} = {text!r} can't be used: ")


def test_a_mistake_in_the_file_names_the_file(file: Path) -> None:
    file.write_text("port = true")
    with pytest.raises(SettingsError, match=r"hookline\.toml: port = 'True' can't be used"):
        load({}, file)
    file.write_text("prot = 1")
    with pytest.raises(SettingsError, match=r"prot is not a setting of Hookline\. Settings: "):
        load({}, file)
    file.write_text("port = ")
    with pytest.raises(SettingsError, match="can't be read"):
        load({}, file)


def test_w5_unverified_credentials_need_a_loopback_address(file: Path) -> None:
    unverified = {"HOOKLINE_VERIFY_CREDENTIALS": "false"}
    for host in ("127.0.0.1", "127.8.9.1", "::1", "localhost"):
        load({**unverified, "HOOKLINE_HOST": host}, file)
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.com", ""):  # noqa: S104 - refused
        with pytest.raises(SettingsError, match="loopback"):
            load({**unverified, "HOOKLINE_HOST": host}, file)
        assert not is_loopback(host)


def test_settings_are_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]  # that it can't be done is what is tested


def test_described_tells_value_source_default_and_meaning_and_no_secret(file: Path) -> None:
    file.write_text('database_url = "postgresql://u:hidden@h/d"\nregion = "eu-west-1"\n')
    rows = {row[0]: row[1:] for row in described({"HOOKLINE_MASTER_KEY": "hidden"}, file)}
    assert list(rows) == list(table())
    assert rows["master_key"][:3] == ("****", "HOOKLINE_MASTER_KEY", "")
    assert rows["database_url"][0] == "****"
    assert rows["region"][:3] == ("eu-west-1", f"{file}: region", "us-east-1")
    assert rows["port"][:3] == ("8700", "default", "8700")
    assert "hidden" not in str(rows)
    assert all(row[3] for row in rows.values())


def test_addresses_follow_from_host_port_and_public_url() -> None:
    assert Settings(host="::1", port=1).endpoint_url == "http://[::1]:1"
    assert Settings().trigger_url == "http://127.0.0.1:8700"
    assert Settings(public_url="https://x").trigger_url == "https://x"
