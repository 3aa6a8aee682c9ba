"""Settings: read once from the environment and `hookline.toml`, then immutable."""

import ipaddress
import os
import shlex
import socket
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit

from hookline.errors import SettingsError
from hookline.model import DEFAULT_LABEL, LONGEST_LABEL, ActionType
from hookline.runners import IMAGE_TAG, RUNNER_TAG, Runner, images
from hookline.runners.containers import PROGRAMS

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_SIZE_UNITS = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("give true or false")


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 65_535:  # noqa: PLR2004 - the last TCP port
        raise ValueError("give a port number from 0 (any free one) to 65535")
    return int(text)


def _size(text: str) -> int:
    for unit, factor in _SIZE_UNITS.items():
        if text.upper().endswith(unit):
            return int(_positive(text[: -len(unit)]) * factor)
    if not text.isdigit():
        raise ValueError("give a number of bytes, or such as 25MB")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ValueError("give a whole number from 1")
    return int(text)


def _interval(text: str) -> float:
    value = _positive(text)
    if value == 0:
        raise ValueError("give a number above 0")
    return value


def _log_format(text: str) -> str:
    if text not in {"json", "console"}:
        raise ValueError("give json or console")
    return text


def _positive(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError("give a number that is not negative")
    return value


def account_id(text: str) -> str:
    """An account id as AWS's are. Raises ValueError."""
    if not (len(text) == 12 and text.isascii() and text.isdigit()):  # noqa: PLR2004 - AWS's length
        raise ValueError("give 12 digits, as AWS's account ids have")
    return text


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https", "file"} or not (parts.netloc or parts.path):
        raise ValueError("give an http://, https:// or file:// address")
    return text.rstrip("/")


def _api_url(text: str) -> str:
    parts = urlsplit(text)
    usual = parts.scheme in {"http", "https"} and parts.hostname
    if not usual or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("give an http:// or https:// address without user, query and fragment")
    return text.rstrip("/")


def _runner(text: str) -> Runner:
    try:
        return Runner(text)
    except ValueError:
        raise ValueError(f"give {' or '.join(runner.value for runner in Runner)}") from None


def _program(text: str) -> str:
    if text and Path(text).name not in PROGRAMS:
        raise ValueError(f"give {' or '.join(PROGRAMS)}, or a path that ends so")
    return text


def _image(text: str) -> str:
    return images.checked(text) if text and not images.is_curated(text) else text


def _images(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    if not all(name and image for name, _, image in pairs):
        raise ValueError("give name=image, comma-separated")
    return tuple((name.strip(), images.checked(image.strip())) for name, _, image in pairs)


def _words(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


def _paths(text: str) -> tuple[Path, ...]:
    paths = tuple(Path(part.strip()) for part in text.split(",") if part.strip())
    if not all(path.is_absolute() for path in paths):
        raise ValueError("give folders by their whole paths, from / on")
    return paths


def _labels(text: str) -> tuple[str, ...]:
    labels = tuple(part.strip() for part in text.split(",") if part.strip())
    if not labels:
        raise ValueError(f"give at least one label; that of most actions is {DEFAULT_LABEL}")
    if any(len(label) > LONGEST_LABEL for label in labels):
        raise ValueError(f"give labels of at most {LONGEST_LABEL} characters")
    return labels


def _action_types(text: str) -> tuple[str, ...]:
    types = tuple(part.strip() for part in text.split(",") if part.strip())
    if not all(len(kind.split("/")) == len(ActionType.__slots__) for kind in types):
        raise ValueError("give action types as Category/Owner/Provider/Version")
    return types


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting means, and how its text becomes its value."""

    meaning: str
    parse: Callable[[str], Any] = str
    secret: bool = False


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings; each is `HOOKLINE_<NAME>` in the environment or `<name>` in hookline.toml."""

    data_dir: Annotated[Path, Setting("folder of the database, keys and artifacts", Path)] = Path(
        ".hookline"
    )
    database_url: Annotated[
        str,
        Setting(
            "SQLAlchemy address of the database; empty: SQLite in the data folder", secret=True
        ),
    ] = ""
    host: Annotated[str, Setting("address to listen on")] = "127.0.0.1"
    port: Annotated[int, Setting("port to listen on", _port)] = 8700
    receiver_port: Annotated[
        int,
        Setting("port of the trigger URLs alone; 0: they share the API's port", _port),
    ] = 0
    public_url: Annotated[
        str, Setting("address that senders reach, of webhook URLs; empty: host and port", _url)
    ] = ""
    region: Annotated[str, Setting("region of the first access key's profile")] = "us-east-1"
    account: Annotated[str, Setting("account of the first access key", account_id)] = "000000000000"
    master_key: Annotated[
        str,
        Setting(
            "keys that seal secrets, base64, the current one first, comma-separated; "
            "empty: master.key in the data folder",
            secret=True,
        ),
    ] = ""
    reveal_secrets: Annotated[
        bool, Setting("answer SecretToken in clear, as Terraform's provider needs", _boolean)
    ] = False
    verify_credentials: Annotated[
        bool, Setting("check signatures of API calls; off only on a loopback address", _boolean)
    ] = True
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Setting("networks whose X-Forwarded-For counts, comma-separated", _networks),
    ] = ()
    max_body: Annotated[int, Setting("largest delivery accepted, such as 25MB", _size)] = 25_000_000
    max_buffered: Annotated[
        int,
        Setting(
            "largest sum of requests in a worker's memory, such as 256MB; beyond it, senders get "
            "503",
            _size,
        ),
    ] = 256_000_000
    drain: Annotated[
        float,
        Setting(
            "seconds that the server goes on accepting after SIGTERM, while /healthz answers 503",
            _positive,
        ),
    ] = 0.0
    rate: Annotated[
        float, Setting("deliveries a second for each webhook and worker; 0: no limit", _positive)
    ] = 0.0
    address_rate: Annotated[
        float,
        Setting(
            "deliveries a second for each address (IPv6: /64) and worker; 0: no limit", _positive
        ),
    ] = 0.0
    retention_days: Annotated[float, Setting("days that deliveries are kept", _positive)] = 30.0
    retention_count: Annotated[int, Setting("how many deliveries are kept at most", _count)] = (
        10_000_000
    )
    execution_retention_days: Annotated[
        float,
        Setting("days that finished executions, their artifacts and logs are kept", _positive),
    ] = 365.0
    dedupe_window: Annotated[
        float, Setting("seconds in which the same event starts one execution only", _positive)
    ] = 300.0
    github_url: Annotated[
        str, Setting("where source actions fetch <Owner>/<Repo>; may be file://", _url)
    ] = "https://github.com"
    github_api_url: Annotated[
        str,
        Setting("GitHub's API, where webhooks are registered; GitHub Enterprise, Gitea", _api_url),
    ] = "https://api.github.com"
    artifact_store: Annotated[
        str,
        Setting("s3://bucket/prefix or a folder for artifacts alone; empty: in the data folder"),
    ] = ""
    action_timeout: Annotated[
        float, Setting("seconds an action may take when it declares no timeout", _positive)
    ] = 3600.0
    clock_interval: Annotated[
        float,
        Setting(
            "seconds between looks at what time brings: deadlines, windows, idle stages", _interval
        ),
    ] = 10.0
    max_log: Annotated[int, Setting("largest log of one action, such as 10MB", _size)] = 10_000_000
    max_artifact: Annotated[
        int, Setting("largest content of one artifact, unpacked, such as 10GB", _size)
    ] = 10_000_000_000
    max_source_cache: Annotated[
        int,
        Setting(
            "size of the mirrors of repositories that a node keeps, such as 5GB; 0: it keeps none",
            _size,
        ),
    ] = 5_000_000_000
    max_build_cache: Annotated[
        int,
        Setting(
            "size of the caches of build projects that a node keeps, such as 5GB; 0: it keeps none",
            _size,
        ),
    ] = 5_000_000_000
    pid_namespaces: Annotated[
        bool,
        Setting(
            "run each program of an action in a PID namespace, where the machine allows it; false "
            "where commands need sudo and Hookline is not root",
            _boolean,
        ),
    ] = True
    runner: Annotated[
        Runner,
        Setting(
            "where the commands of actions run: host, or bubblewrap or container, where they see "
            f"neither the server's files nor each other's; a pipeline's tag {RUNNER_TAG} wins",
            _runner,
        ),
    ] = Runner.HOST
    sandbox_paths: Annotated[
        tuple[Path, ...],
        Setting("further folders that commands in a sandbox may read, comma-separated", _paths),
    ] = ()
    sandbox_network: Annotated[
        bool,
        Setting(
            "give commands in a sandbox the machine's network, and those in a container one",
            _boolean,
        ),
    ] = True
    container_program: Annotated[
        str,
        Setting("podman or docker, or its path; empty: podman where it is, else docker", _program),
    ] = ""
    container_image: Annotated[
        str,
        Setting(
            "image of the containers of actions that name none, such as "
            f"docker.io/library/python:3.13; a pipeline's tag {IMAGE_TAG} wins",
            _image,
        ),
    ] = ""
    container_images: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            "images to take for others, as name=image, comma-separated; aws/codebuild/… is "
            "public.ecr.aws/codebuild/… unless named",
            _images,
        ),
    ] = ()
    container_options: Annotated[
        tuple[str, ...],
        Setting(
            "options of podman or docker before its subcommand, as in a shell, such as "
            "--cgroup-manager=cgroupfs",
            _words,
        ),
    ] = ()
    container_run_options: Annotated[
        tuple[str, ...],
        Setting(
            "options of its subcommand run, as in a shell, such as --runtime=runc --network=host",
            _words,
        ),
    ] = ()
    max_memory: Annotated[
        int,
        Setting("largest memory of one process of commands, such as 4GB; 0: no bound", _size),
    ] = 0
    max_processes: Annotated[
        int,
        Setting(
            "how many processes and threads the user of commands may have; 0, or as root: no bound",
            _size,
        ),
    ] = 4096
    max_file: Annotated[
        int, Setting("largest file that commands may write, such as 10GB; 0: no bound", _size)
    ] = 10_000_000_000
    log_format: Annotated[
        str, Setting("how log lines are written: json or console", _log_format)
    ] = "json"
    node: Annotated[
        str, Setting("name of this machine among the nodes of a database; empty: its host name")
    ] = ""
    node_labels: Annotated[
        tuple[str, ...],
        Setting("labels whose actions this node runs, comma-separated", _labels),
    ] = (DEFAULT_LABEL,)
    once_only: Annotated[
        tuple[str, ...],
        Setting(
            "action types that fail instead of running again when they were interrupted, such as "
            "Compute/AWS/Commands/1, comma-separated",
            _action_types,
        ),
    ] = ()

    @property
    def database(self) -> str:
        """SQLAlchemy's address of the database in use."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'hookline.db'}"

    @property
    def node_name(self) -> str:
        """The name of this machine among the nodes of its database."""
        return self.node or socket.gethostname()

    @property
    def artifacts(self) -> str:
        """Where artifacts are kept: a folder or an s3:// address."""
        return self.artifact_store or str(self.data_dir.absolute() / "artifacts")

    @property
    def endpoint_url(self) -> str:
        """The API's address on this machine."""
        return self._url(self.port)

    @property
    def link_url(self) -> str:
        """The address that links to what the API's port serves begin with."""
        # With a port of their own, the trigger URLs alone are where `public_url` leads.
        return self.public_url if self.public_url and not self.receiver_port else self.endpoint_url

    @property
    def trigger_url(self) -> str:
        """The address that webhook URLs begin with."""
        return self.public_url or self._url(self.receiver_port or self.port)

    def _url(self, port: int) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}"


def load(environment: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Read the settings: the environment wins over the file, the file over the defaults.

    `file` is hookline.toml in the working directory unless given or named by HOOKLINE_CONFIG.
    Raises SettingsError that names the setting, where it was set and what it takes.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    read = (*_from_file(_file(environment, file)), *_from_environment(environment))
    for name, value, source in read:
        values[name] = _parse(name, value, source)
    settings = Settings(**values)
    check_loopback(settings)
    return settings


def table() -> dict[str, Setting]:
    """All settings by name, in their order."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [
        (name, environment[variable], variable)
        for name in table()
        if (variable := f"HOOKLINE_{name.upper()}") in environment
    ]


def _from_file(file: Path) -> list[tuple[str, str, str]]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file} can't be read: {error}") from error
    return [(name.lower(), _as_text(value), f"{file}: {name}") for name, value in content.items()]


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value)


def _parse(name: str, text: str, source: str) -> Any:
    setting = table().get(name)
    if setting is None:
        raise SettingsError(
            f"{source} is not a setting of Hookline. Settings: {', '.join(table())}"
        )
    try:
        return setting.parse(text)
    except ValueError as error:
        shown = "****" if setting.secret else repr(text)
        raise SettingsError(f"{source} = {shown} can't be used: {error}") from error


def described(
    environment: Mapping[str, str] | None = None, file: Path | None = None
) -> list[tuple[str, str, str, str, str]]:
    """Each setting's name, value, source, default and meaning, as texts; secrets are masked."""
    environment = os.environ if environment is None else environment
    settings, defaults = load(environment, file), Settings()
    read = (*_from_file(_file(environment, file)), *_from_environment(environment))
    sources = {name: source for name, _, source in read}
    return [
        (
            name,
            _shown(setting, getattr(settings, name)),
            sources.get(name, "default"),
            _shown(setting, getattr(defaults, name)),
            setting.meaning,
        )
        for name, setting in table().items()
    ]


def _shown(setting: Setting, value: Any) -> str:
    if setting.secret and value:
        return "****"
    if setting.parse is _words:
        return shlex.join(value)
    if isinstance(value, tuple):
        return ",".join(map(_member_shown, value))
    if isinstance(value, Runner):
        return value.value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _member_shown(member: Any) -> str:
    return "=".join(member) if isinstance(member, tuple) else str(member)


def settings_file() -> Path:
    """The settings' file of this process, whether or not it exists."""
    return _file(os.environ, None).absolute()


def _file(environment: Mapping[str, str], file: Path | None) -> Path:
    return file or Path(environment.get("HOOKLINE_CONFIG", "hookline.toml"))


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_loopback(settings: Settings) -> None:
    """Raise SettingsError where others than this machine could come without a signature."""
    if not settings.verify_credentials and not is_loopback(settings.host):
        raise SettingsError(
            "verify_credentials = false accepts anybody, so it needs a loopback host: "
            f"set HOOKLINE_HOST=127.0.0.1 (it is {settings.host}) or verify credentials"
        )
