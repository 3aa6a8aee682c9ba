import gzip
import io
import itertools
import os
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore

from hookline.actions.archives import Bounds
from hookline.actions.artifacts import ArtifactStore, key_of, place_of
from hookline.actions.provider import Interrupted
from hookline.errors import ActionError
from support.workshop import BOUNDS


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for path in ("a.txt", "target/app.jar", "target/deep/lib.jar", "dist/index.html", ".hidden"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return folder


def round_trip(store: ArtifactStore, source: Path, *files: str) -> Path:
    store.pack("key", source, files, bounds=BOUNDS)
    target = source.parent / "target"
    store.unpack("key", target, bounds=BOUNDS)
    return target


def content(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def test_without_patterns_everything_is_archived_empty_folders_too(
    store: ArtifactStore, source: Path
) -> None:
    (source / "empty").mkdir()

    target = round_trip(store, source)

    assert content(target) == content(source)
    assert (target / "empty").is_dir()
    assert (target / "target/app.jar").read_text() == "target/app.jar"


@pytest.mark.parametrize(
    ("patterns", "selected"),
    [
        (
            ["**/*"],
            [".hidden", "a.txt", "dist/index.html", "target/app.jar", "target/deep/lib.jar"],
        ),
        (["*"], [".hidden", "a.txt"]),
        (["target/*.jar"], ["target/app.jar"]),
        (["**/*.jar"], ["target/app.jar", "target/deep/lib.jar"]),
        (["target/**/lib.jar"], ["target/deep/lib.jar"]),
        (["dist"], ["dist/index.html"]),
        (["./dist/"], ["dist/index.html"]),
        (["target/**"], ["target/app.jar", "target/deep/lib.jar"]),
        (["a.tx?", "[d]ist/*"], ["a.txt", "dist/index.html"]),
    ],
)
def test_patterns_select_files(
    store: ArtifactStore, source: Path, patterns: list[str], selected: list[str]
) -> None:
    assert content(round_trip(store, source, *patterns)) == selected


def test_a_pattern_that_matches_nothing_is_named(store: ArtifactStore, source: Path) -> None:
    with pytest.raises(ActionError, match=r'"build/\*\.zip"'):
        store.pack("key", source, ["dist", "build/*.zip"], bounds=BOUNDS)
    with pytest.raises(ActionError, match="not there"):
        store.unpack("key", source.parent / "target", bounds=BOUNDS)


@pytest.mark.parametrize("pattern", ["../secret", "/etc/passwd", "dist/../../x", "."])
def test_a_pattern_that_leaves_the_workspace_is_refused(
    store: ArtifactStore, source: Path, pattern: str
) -> None:
    with pytest.raises(ActionError, match="inside the workspace"):
        store.pack("key", source, [pattern], bounds=BOUNDS)


def test_a_pattern_of_many_wildcards_is_quick(store: ArtifactStore, source: Path) -> None:
    deep = source / "/".join("a" * 60)
    deep.mkdir(parents=True)
    (deep / "b").touch()

    with pytest.raises(ActionError, match="No file"):
        store.pack("key", source, ["**/a/" * 20 + "**/*a*a*a*a*c"], bounds=BOUNDS)


def test_executable_bits_and_links_inside_are_kept(store: ArtifactStore, source: Path) -> None:
    (source / "a.txt").chmod(0o755)
    (source / "link").symlink_to("target/app.jar")
    (source / "absolute").symlink_to(source / "target" / "app.jar")
    (source / "by-parent").symlink_to("../source/target/app.jar")
    (source / "folder").symlink_to("target")

    target = round_trip(store, source, "**/*")

    assert os.access(target / "a.txt", os.X_OK)
    assert not os.access(target / "dist/index.html", os.X_OK)
    assert (target / "link").readlink() == Path("target/app.jar")
    assert (target / "absolute").readlink() == Path("target/app.jar")
    assert (target / "by-parent").readlink() == Path("target/app.jar")
    assert (target / "folder").is_symlink()


def test_links_that_lead_outside_and_special_files_are_left_out_and_named(
    store: ArtifactStore, source: Path
) -> None:
    outside = source.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (source / "up").symlink_to("../outside/secret")
    (source / "folder").symlink_to(outside)
    (source / "round").symlink_to("folder/secret")
    os.mkfifo(source / "pipe")

    left_out = store.pack("key", source, bounds=BOUNDS)
    store.unpack("key", source.parent / "target", bounds=BOUNDS)

    assert left_out == ("folder", "pipe", "round", "up")
    assert content(source.parent / "target") == sorted(set(content(source)) - set(left_out))


def test_a_pattern_never_follows_a_link_out_of_the_workspace(
    store: ArtifactStore, source: Path
) -> None:
    outside = source.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (source / "folder").symlink_to(outside)

    with pytest.raises(ActionError, match="No file"):
        store.pack("key", source, ["folder/secret"], bounds=BOUNDS)
    store.pack("key", source, ["**/*"], bounds=BOUNDS)
    store.unpack("key", source.parent / "target", bounds=BOUNDS)
    assert not (source.parent / "target" / "folder").exists()


def test_the_same_files_make_the_same_archive(store: ArtifactStore, source: Path) -> None:
    raw = LocalStore(source.parent / "artifacts")

    store.pack("one", source, bounds=BOUNDS)
    store.pack("two", source, bounds=BOUNDS)

    assert obstore.get(raw, "one").bytes().to_bytes() == obstore.get(raw, "two").bytes().to_bytes()


def put_archive(store: Path, *entries: tarfile.TarInfo) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for entry in entries:
            archive.addfile(entry, io.BytesIO(b"x" * entry.size))
    obstore.put(LocalStore(store), "key", data.getvalue())


def entry(name: str, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    if link:
        info.type, info.linkname = tarfile.SYMTYPE, link
    return info


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../escaped", size=1)],
        [entry("good", size=1), entry("link", link="../..")],
        [entry("link", link="/etc")],
        [entry("link", link="sub"), entry("link/../../escaped", size=1)],
    ],
)
def test_an_archive_that_would_escape_is_refused_and_leaves_nothing(
    store: ArtifactStore, tmp_path: Path, entries: list[tarfile.TarInfo]
) -> None:
    put_archive(tmp_path / "artifacts", *entries)
    before = sorted(tmp_path.iterdir())

    with pytest.raises(ActionError, match="could not be unpacked"):
        store.unpack("key", tmp_path / "target", bounds=BOUNDS)

    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("data", [b"", b"not an archive", gzip.compress(b"x" * 2000, mtime=0)[:30]])
def test_a_broken_archive_is_an_error_and_leaves_nothing(
    store: ArtifactStore, tmp_path: Path, data: bytes
) -> None:
    obstore.put(LocalStore(tmp_path / "artifacts"), "key", data)

    with pytest.raises(ActionError, match="could not be unpacked"):
        store.unpack("key", tmp_path / "target", bounds=BOUNDS)

    assert not (tmp_path / "target").exists()


def test_unpacking_over_files_is_refused(store: ArtifactStore, source: Path) -> None:
    store.pack("key", source, bounds=BOUNDS)

    with pytest.raises(ActionError, match="could not be unpacked"):
        store.unpack("key", source, bounds=BOUNDS)


def test_a_large_file_is_not_read_into_memory(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    size = 64 << 20
    with (source / "large").open("wb") as file:
        file.truncate(size)

    tracemalloc.start()
    target = round_trip(store, source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < size / 4
    assert (target / "large").stat().st_size == size


@pytest.mark.parametrize("size", [1000, 20_000_000])
def test_a_store_that_is_interrupted_at_any_time_has_nothing(
    store: ArtifactStore, tmp_path: Path, size: int
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "random").write_bytes(os.urandom(size))
    numbers = itertools.count()

    def count() -> None:
        next(numbers)

    store.pack("whole", source, bounds=Bounds(100_000_000, count))
    before = sorted(tmp_path.rglob("*"))
    most = next(numbers)

    for last in (0, most // 2, most - 10, most - 1):
        left = iter(range(last))

        def check(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Interrupted

        with pytest.raises(Interrupted):
            store.pack("part", source, bounds=Bounds(100_000_000, check))
        assert sorted(tmp_path.rglob("*")) == before
        assert not store.has("part")


def test_x8_the_artifacts_of_one_execution_are_deleted_and_nothing_else(
    store: ArtifactStore, source: Path, tmp_path: Path
) -> None:
    ours = [key_of(1, "e", action, 1, name) for action in ("a", "b") for name in ("A", "B")]
    others = [key_of(1, "e2", "a", 1, "A"), key_of(2, "e", "a", 1, "A")]
    for key in (*ours, *others):
        store.pack(key, source, bounds=BOUNDS)
    foreign = [tmp_path / "artifacts" / name for name in ("1/e/notes.txt", "photo.jpg", "1/e/x/y")]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("theirs")

    assert store.forget(1, "e") == len(ours)
    assert not any(map(store.has, ours))
    assert all(map(store.has, others))
    assert all(path.exists() for path in foreign)
    assert not (tmp_path / "artifacts/1/e/a").exists()
    assert store.forget(1, "e") == 0


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("s3://bucket", ("bucket", "1/e/a-1/Built.tar.gz")),
        ("s3://bucket/", ("bucket", "1/e/a-1/Built.tar.gz")),
        ("s3://bucket/some/prefix/", ("bucket", "some/prefix/1/e/a-1/Built.tar.gz")),
        ("/srv/artifacts", ("/srv/artifacts", "1/e/a-1/Built.tar.gz")),
    ],
)
def test_others_find_an_artifact_where_the_store_has_it(
    address: str, place: tuple[str, str]
) -> None:
    assert place_of(address, key_of(1, "e", "a", 1, "Built")) == place


def test_a_store_knows_what_it_has(store: ArtifactStore, source: Path, tmp_path: Path) -> None:
    key = key_of(1, "e", "a", 1, "Built")
    assert not store.has(key)
    store.pack(key, source, bounds=BOUNDS)
    assert store.has(key)
    folder, relative = place_of(str(tmp_path / "artifacts"), key)
    assert (Path(folder) / relative).is_file()
