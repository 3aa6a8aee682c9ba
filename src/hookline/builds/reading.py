"""Reads a buildspec: text in, frozen values or all of its errors out."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import re2  # type: ignore[import-untyped]  # google-re2 ships no stubs
import yaml

from hookline.builds.buildspec import (
    ArtifactSpec,
    Buildspec,
    CacheSpec,
    Environment,
    FailureAction,
    FileSet,
    OnFailure,
    PhaseSpec,
    ReportSpec,
    Shell,
)
from hookline.builds.members import names
from hookline.builds.nodes import Entries, Reader, compose, is_variable

_VERSIONS = {"0.1": "0.1", "0.2": "0.2"}
_PHASES = ("install", "pre_build", "build", "post_build")
_SHELLS = {"sh": "sh", "/bin/sh": "sh", "bash": "bash", "/bin/bash": "bash"}
_ACTIONS = {"restore": "restore", "save": "save"}
_FORMATS = (
    *("JUNITXML", "CUCUMBERJSON", "NUNITXML", "NUNIT3XML", "TESTNGXML", "VISUALSTUDIOTRX"),
    *("CLOVERXML", "COBERTURAXML", "JACOCOXML", "SIMPLECOV"),
)
_MOST_REPORT_GROUPS = 5
_MOST_FALLBACK_KEYS = 5
_MOST_RETRIES = 100
_IDENTIFIER = re.compile(r"[A-Za-z0-9_]{1,127}")
_COUNTED = re.compile(r"([0-9]{1,9})(?:-(.*))?", re.DOTALL)
_MAX_MEMORY = 1 << 20


def read(data: bytes) -> Buildspec:
    """The buildspec that is written in `data`, in UTF-8.

    Raises:
        BuildspecError: it has errors; all of them are named, each with its line.
    """
    return _Reading(compose(data)).buildspec()


class _Reading:
    def __init__(self, root: yaml.Node) -> None:
        self._root = root
        self._reader = Reader()
        self._members = self._reader.members(root, "")
        if not isinstance(root, yaml.MappingNode):
            self._reader.check()

    def buildspec(self) -> Buildspec:
        reader, members = self._reader, self._members
        version = reader.choice(members.get("version"), "version", _VERSIONS)
        if members.get("version") is None:
            reader.error(self._root, "version is missing: write version: 0.2")
        environment = self._environment(version)
        phases, runtimes = self._phases()
        self._unused()
        spec = Buildspec(
            version=version or "0.2",
            phases=phases,
            environment=environment,
            runtime_versions=runtimes,
            run_as=reader.text(members.get("run-as"), "run-as"),
            reports=tuple(self._reports()),
            artifacts=tuple(self._artifacts()),
            cache=self._cache(),
            warnings=reader.warnings,
        )
        reader.check()
        return spec

    def _environment(self, version: str | None) -> Environment:
        reader = self._reader
        old, new = "environment_variables", "env"
        other, own = (new, old) if version == "0.1" else (old, new)
        if other in self._members:
            node = self._members[other]
            reader.error(node, f"{other} is not a member of version {version}: it has {own}")
        if version == "0.1":
            path = f"{old}/plaintext"
            found = reader.members(self._members.get(old), old)
            return Environment(variables=reader.variables(found.get("plaintext"), path))
        found = reader.members(self._members.get(new), new)
        shell = reader.choice(found.get("shell"), "env/shell", _SHELLS)
        stores = {
            name: reader.variables(found.get(name), f"env/{name}")
            for name in ("parameter-store", "secrets-manager")
        }
        return Environment(
            shell=Shell(shell or "sh"),
            variables=reader.variables(found.get("variables"), "env/variables"),
            parameter_store=stores["parameter-store"],
            secrets_manager=stores["secrets-manager"],
            exported=self._exported(found, {name for store in stores.values() for name in store}),
        )

    def _exported(self, found: Entries, unexported: set[str]) -> tuple[str, ...]:
        path, node = "env/exported-variables", found.get("exported-variables")
        exported = {}
        for name in self._reader.texts(node, path):
            assert node is not None  # noqa: S101 - it has given a name
            if not is_variable(name):
                self._reader.error(node, f"{path}: {name} is not the name of a variable")
            elif name.startswith("AWS_") or name in unexported:
                why = "is a secret" if name in unexported else "starts with AWS_"
                self._reader.warn(node, f"{path}: {name} {why}, and is not exported")
            else:
                exported[name] = True
        return tuple(exported)

    def _phases(self) -> tuple[dict[str, PhaseSpec], dict[str, str]]:
        reader = self._reader
        node = self._members.get("phases")
        found = reader.entries(node, "phases")
        if not found:
            reader.error(
                node or self._root, "phases is missing: a buildspec has at least one phase"
            )
        for name in found.keys() - set(_PHASES):
            reader.error(
                found[name], f"phases/{name}: the phases are {', '.join(_PHASES)}, and no others"
            )
        members = {
            name: reader.members(
                found[name], f"phases/{name}", names("phases/*") | names(f"phases/{name}")
            )
            for name in _PHASES
            if name in found
        }
        runtimes = members.get("install", {}).get("runtime-versions")
        return (
            {name: self._phase(f"phases/{name}", of) for name, of in members.items()},
            self._runtimes(runtimes),
        )

    def _phase(self, path: str, found: Entries) -> PhaseSpec:
        reader = self._reader
        return PhaseSpec(
            commands=reader.texts(found.get("commands"), f"{path}/commands"),
            finally_commands=reader.texts(found.get("finally"), f"{path}/finally"),
            on_failure=self._on_failure(found.get("on-failure"), f"{path}/on-failure"),
            run_as=reader.text(found.get("run-as"), f"{path}/run-as"),
        )

    def _runtimes(self, node: yaml.Node | None) -> dict[str, str]:
        path = "phases/install/runtime-versions"
        entries = self._reader.entries(node, path)
        return {
            name: self._reader.text(value, f"{path}/{name}") or "latest"
            for name, value in entries.items()
        }

    def _on_failure(self, node: yaml.Node | None, path: str) -> OnFailure | None:
        text = self._reader.text(node, path)
        if node is None or text is None:
            return None
        action, _, rest = text.partition("-")
        if action.upper() == "RETRY":
            return self._retry(node, path, rest)
        if text.upper() not in {"ABORT", "CONTINUE"}:
            self._reader.error(
                node,
                f"{path} must be ABORT, CONTINUE, RETRY, RETRY-count, RETRY-regex or"
                " RETRY-count-regex",
            )
            return None
        return OnFailure(FailureAction(text.upper()))

    def _retry(self, node: yaml.Node, path: str, rest: str) -> OnFailure:
        counted = _COUNTED.fullmatch(rest)
        count = int(counted[1]) if counted else 3
        if count > _MOST_RETRIES:
            self._reader.error(node, f"{path}: the count must be 0 to {_MOST_RETRIES}")
        pattern = (counted[2] if counted else rest) or None
        return OnFailure(FailureAction.RETRY, count, self._compiled(node, path, pattern))

    def _compiled(self, node: yaml.Node, path: str, pattern: str | None) -> Any:
        if pattern is None:
            return None
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MAX_MEMORY
        try:
            return re2.compile(pattern, options)
        except re2.error as error:
            self._reader.error(node, f"{path}: the regular expression can't be used: {error}")
            return None

    def _file_set(self, found: Entries, path: str, node: yaml.Node) -> FileSet:
        reader = self._reader
        files = reader.texts(found.get("files"), f"{path}/files")
        if "files" not in found:
            reader.error(node, f"{path}/files is missing: it lists the files, such as '**/*'")
        base = reader.text(found.get("base-directory"), f"{path}/base-directory") or "."
        excluded = reader.texts(found.get("exclude-paths"), f"{path}/exclude-paths")
        for member, patterns in (
            ("files", files),
            ("base-directory", (base,)),
            ("exclude-paths", excluded),
        ):
            for pattern in patterns:
                self._check_inside(found.get(member, node), f"{path}/{member}", pattern)
        return FileSet(
            files=files,
            base_directory=base,
            exclude_paths=excluded,
            discard_paths=reader.flag(found.get("discard-paths"), f"{path}/discard-paths"),
            enable_symlinks=reader.flag(found.get("enable-symlinks"), f"{path}/enable-symlinks"),
        )

    def _check_inside(self, node: yaml.Node, path: str, pattern: str) -> None:
        if ".." in pattern.split("/"):
            self._reader.error(node, f"{path}: {pattern} leads out of the source folder")

    def _artifacts(self) -> Iterator[ArtifactSpec]:
        node = self._members.get("artifacts")
        if node is None:
            return
        found = self._reader.members(node, "artifacts")
        path = "artifacts/secondary-artifacts"
        # AWS's reference wants files here always, and its own examples leave them out.
        if "files" in found or "secondary-artifacts" not in found:
            yield self._artifact(None, found, "artifacts", node)
        secondary = self._reader.entries(found.get("secondary-artifacts"), path)
        for identifier, of in secondary.items():
            if not _IDENTIFIER.fullmatch(identifier):
                self._reader.error(
                    of, f"{path}/{identifier}: an identifier has letters, digits and _"
                )
            known = names("artifacts") - {"secondary-artifacts"}
            members = self._reader.members(of, f"{path}/{identifier}", known)
            yield self._artifact(identifier, members, f"{path}/{identifier}", of)

    def _artifact(
        self, identifier: str | None, found: Entries, path: str, node: yaml.Node
    ) -> ArtifactSpec:
        return ArtifactSpec(
            identifier,
            self._file_set(found, path, node),
            name=self._reader.text(found.get("name"), f"{path}/name"),
            s3_prefix=self._reader.text(found.get("s3-prefix"), f"{path}/s3-prefix"),
        )

    def _reports(self) -> Iterator[ReportSpec]:
        node = self._members.get("reports")
        groups = self._reader.entries(node, "reports")
        if node is not None and len(groups) > _MOST_REPORT_GROUPS:
            self._reader.error(node, f"reports has more than {_MOST_REPORT_GROUPS} groups")
        for group, of in groups.items():
            path = f"reports/{group}"
            found = self._reader.members(of, path, names("reports/*"))
            yield ReportSpec(
                group,
                self._file_set(found, path, of),
                self._format(found.get("file-format"), f"{path}/file-format"),
            )

    def _format(self, node: yaml.Node | None, path: str) -> str:
        text = (self._reader.text(node, path) or _FORMATS[0]).upper()
        if node is not None and text not in _FORMATS:
            self._reader.error(node, f"{path} must be one of {', '.join(_FORMATS)}")
        return text

    def _cache(self) -> CacheSpec | None:
        reader, node = self._reader, self._members.get("cache")
        if node is None:
            return None
        found = reader.members(node, "cache")
        if "paths" not in found:
            reader.error(node, "cache/paths is missing: it lists what is kept")
        fallback = reader.texts(found.get("fallback-keys"), "cache/fallback-keys")
        if len(fallback) > _MOST_FALLBACK_KEYS:
            reader.error(
                found["fallback-keys"],
                f"cache/fallback-keys has more than {_MOST_FALLBACK_KEYS} keys",
            )
        return CacheSpec(
            paths=reader.texts(found.get("paths"), "cache/paths"),
            key=reader.text(found.get("key"), "cache/key"),
            fallback_keys=fallback,
            action=reader.choice(found.get("action"), "cache/action", _ACTIONS),
        )

    def _unused(self) -> None:
        """Check what is not used, and say so where that matters."""
        reader, members = self._reader, self._members
        proxy: Mapping[str, yaml.Node] = reader.members(members.get("proxy"), "proxy")
        for name, value in proxy.items():
            reader.flag(value, f"proxy/{name}")
        if (batch := members.get("batch")) is not None:
            reader.warn(batch, "batch is not used: the phases run once")
        if not isinstance(members.get("env"), yaml.MappingNode):
            return
        helper = reader.entries(members["env"], "env").get("git-credential-helper")
        if helper is not None and reader.flag(helper, "env/git-credential-helper"):
            reader.warn(helper, "env/git-credential-helper is not used: git gets no credentials")
