"""Artifacts as archives in a store: a folder or an S3 bucket, both through obstore."""

import io
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from hookline.actions import archives
from hookline.actions.archives import Bounds
from hookline.actions.folders import remove
from hookline.actions.selection import select
from hookline.errors import ActionError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore import ReadableFile
    from obstore.store import ObjectStore

_S3 = "s3://"
_CHUNK = 1 << 20
# What obstore uploads at once; larger objects go in parts of this size.
_PART = 5 << 20
_UNAVAILABLE = "SystemUnavailable"
_ARTIFACT = re.compile(r"[0-9]+(/[^/]+){2}/[^/]+\.tar\.gz")


def key_of(
    pipeline_id: int, execution_id: str, action_execution_id: str, attempt: int, name: str
) -> str:
    """The key of the output artifact `name` of an attempt at an action; no other has it.

    What a node still stores after another one has taken its action is seen by nobody.
    """
    return f"{pipeline_id}/{execution_id}/{action_execution_id}-{attempt}/{name}.tar.gz"


def place_of(url_or_path: str, key: str) -> tuple[str, str]:
    """Where others find `key` of the artifact store at an address: bucket and key, or folder."""
    if not url_or_path.startswith(_S3):
        return str(Path(url_or_path).absolute()), key
    bucket, _, prefix = url_or_path.removeprefix(_S3).partition("/")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/{key}" if prefix else key


class ArtifactStore:
    """Where artifacts are kept: a folder's path, or `s3://bucket/prefix`.

    An S3 store takes its credentials, region and endpoint from the usual `AWS_…` variables.
    """

    def __init__(self, url_or_path: str) -> None:
        self._store = _opened(url_or_path)

    def pack(
        self, key: str, folder: Path, files: Sequence[str] = (), *, bounds: Bounds
    ) -> tuple[str, ...]:
        """Archive what the patterns `files` select in `folder`; no pattern selects everything.

        The archive (tar.gz) is seen under `key` whole or not at all. Returns the paths left out:
        links that lead out of `folder`, sockets and the like.

        Raises:
            ActionError: a pattern matches nothing, it is more than `bounds` allow, or the store
                can't be written.
        """
        paths = select(folder, files, bounds)
        with _failing(f"The artifact {key} could not be stored"):
            handle, name = tempfile.mkstemp(prefix=".pack-", dir=folder.parent)
            archive = Path(name)
            try:
                with os.fdopen(handle, "wb") as raw:
                    left_out = archives.pack(raw, folder, paths, bounds)
                self._put(key, archive, bounds)
            finally:
                archive.unlink()
        return left_out

    def _put(self, key: str, archive: Path, bounds: Bounds) -> None:
        small = archive.stat().st_size <= _PART
        obstore.put(self._store, key, archive if small else _pieces(archive, bounds))

    def unpack(self, key: str, folder: Path, *, bounds: Bounds) -> None:
        """Make `folder`, which must not exist or be empty, the content of the archive `key`.

        Raises:
            ActionError: no such archive, it would write outside `folder`, it is more than `bounds`
                allow, or it can't be read.
        """
        with _failing(f"The artifact {key} could not be unpacked"):
            folder.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder.parent))
            try:
                source = _Reader(obstore.open_reader(self._store, key), bounds)
                archives.unpack(io.BufferedReader(source, _CHUNK), fresh, bounds)
                fresh.chmod(0o755)
                fresh.rename(folder)
            finally:
                remove(fresh)

    def has(self, key: str) -> bool:
        """Whether the archive `key` is there.

        Raises:
            ActionError: the store can't be read.
        """
        with _failing(f"The artifact {key} could not be looked for"):
            try:
                obstore.head(self._store, key)
            except FileNotFoundError:
                return False
        return True

    def forget(self, pipeline_id: int, execution_id: str) -> int:
        """Delete the artifacts of an execution, and nothing else; how many.

        Raises:
            ActionError: the store can't be written.
        """
        forgotten = 0
        with _failing(f"The artifacts of execution {execution_id} could not be deleted"):
            for batch in obstore.list(self._store, f"{pipeline_id}/{execution_id}"):
                keys = [entry["path"] for entry in batch if _ARTIFACT.fullmatch(entry["path"])]
                obstore.delete(self._store, keys)
                forgotten += len(keys)
        return forgotten


class _Reader(io.RawIOBase):
    """A stored object as a file, read piece by piece."""

    def __init__(self, source: "ReadableFile", bounds: Bounds) -> None:
        self._source = source
        self._bounds = bounds
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._bounds.check()
        view = memoryview(buffer)
        data = self._source.read(len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at


def _pieces(file: Path, bounds: Bounds) -> Iterator[bytes]:
    with file.open("rb") as content:
        while data := content.read(_CHUNK):
            bounds.check()
            yield data


def _opened(url_or_path: str) -> "ObjectStore":
    if url_or_path.startswith(_S3):
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:")
        return S3Store.from_url(url_or_path, client_options={"allow_http": plain})
    return LocalStore(Path(url_or_path).absolute(), mkdir=True, automatic_cleanup=True)


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ActionError(f"{what}: it is not there", _UNAVAILABLE) from error
    except ActionError as error:
        raise ActionError(f"{what}: {error.message}", error.code) from error
    except (BaseError, OSError) as error:
        raise ActionError(f"{what}: {error}", _UNAVAILABLE) from error
