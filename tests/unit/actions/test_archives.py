"""Archives that anybody may have made: what is refused, and that nothing leaves the folder."""

import gzip
import io
import os
import stat
import subprocess
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.actions.archives import DEEPEST, Bounds, pack, unpack
from hookline.actions.provider import Interrupted
from hookline.errors import ActionError

BOUNDS = Bounds(100_000_000)
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def file(name: str, size: int = 1, mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    return info


def other(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o755
    return info


def folder(name: str) -> tarfile.TarInfo:
    return other(name, tarfile.DIRTYPE)


def link(name: str, target: str) -> tarfile.TarInfo:
    return other(name, tarfile.SYMTYPE, target)


def hard_link(name: str, target: str) -> tarfile.TarInfo:
    return other(name, tarfile.LNKTYPE, target)


def archive(*members: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", format=form) as packed:
        for member in members:
            packed.addfile(member, io.BytesIO(b"x" * member.size))
    return data.getvalue()


def unpacked(data: bytes, target: Path, bounds: Bounds = BOUNDS) -> Path:
    target.mkdir(exist_ok=True)
    unpack(io.BytesIO(data), target, bounds)
    return target


def content(folder: Path) -> dict[str, str]:
    """What is in a folder: path → text of a file, target of a link, or nothing."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"→ {path.readlink()}"
        else:
            found[name] = path.read_text() if path.is_file() else ""
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder beside the target, with a file that must stay as it is."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "file").write_text("kept")
    yield place
    assert content(place) == {"file": "kept"}
    assert (place / "file").stat().st_nlink == 1


LONG = "d" * 247
STEPS = "abcdefghijklmnop"


def long_chain(last: str) -> list[tarfile.TarInfo]:
    """CVE-2025-4517: a chain of links whose path, written out, is longer than the system's limit.

    What resolves it gives up there, and takes the rest as it is written.
    """
    members, path = [], ""
    for step in STEPS:
        members += [folder(f"{path}{LONG}"), link(f"{path}{step}", LONG)]
        path += f"{LONG}/"
    way = "/".join(STEPS) + "/" + "l" * 254
    return [*members, link(way, "../" * len(STEPS)), link("escape", f"{way}/../../{last}")]


ESCAPES = {
    "a name with ..": [file("../outside/new")],
    "a name with .. inside": [file("a/../../outside/new")],
    "an absolute name": [file("/tmp/hookline-escaped")],  # noqa: S108 - it must not be made
    "an absolute folder": [folder("/tmp/hookline-escaped")],  # noqa: S108 - the same
    "a link out": [link("a", "../outside")],
    "an absolute link": [link("a", "/etc/passwd")],
    "a link out from a folder": [link("a/b", "../../outside")],
    "a file through a link": [link("a", "../outside"), file("a/new")],
    "a file through a link inside": [folder("b"), link("a", "b"), file("a/new")],
    "a file over a link": [link("a", "../outside/file"), file("a"), link("b", "..")],
    "links through links": [link("a", "."), link("b", "a/.."), file("b/outside/new")],
    "links through links, at the end": [link("a", "b/.."), link("b", "c"), link("c", ".")],
    "a link that a later one bends": [link("a", "b/../x"), link("b", "c/d"), link("c/d", "..")],
    "a link by way of what isn't there": [link("a", "b/../../outside")],
    "a folder replaced by a link": [folder("a"), link("a", "../outside"), file("a/new")],
    "a hard link out": [hard_link("a", "../outside/file")],
    "an absolute hard link": [hard_link("a", "/etc/passwd")],
    "a hard link to nothing": [hard_link("a", "b")],
    "a hard link to a folder": [folder("b"), hard_link("a", "b")],
    "a hard link to a link": [link("b", "../outside/file"), hard_link("a", "b"), file("a")],
    "a hard link through a link": [link("b", "../outside"), hard_link("a", "b/file"), file("a")],
    "long links": long_chain("outside/file"),
    "long links, then a file": [*long_chain("outside/file"), file("escape")],
    "long links, then a hard link": [*long_chain("outside"), hard_link("x", "escape/file")],
    "a pipe": [other("a", tarfile.FIFOTYPE)],
    "a device": [other("a", tarfile.CHRTYPE)],
    "a disk": [other("a", tarfile.BLKTYPE)],
    "a sparse file": [other("a", tarfile.GNUTYPE_SPARSE)],
    "what nobody knows": [other("a", b"Z")],
    "an empty link": [link("a", "")],
    "a file of no name": [file("./")],
    "a file in a file": [file("a"), file("a/b")],
    "a file over a folder": [file("a/b"), file("a")],
    "too deep": [file("a/" * (DEEPEST + 1) + "b")],
}


@pytest.mark.parametrize("form", FORMATS[1:])
@pytest.mark.parametrize("members", ESCAPES.values(), ids=ESCAPES)
def test_what_would_leave_the_folder_or_is_no_file_is_refused(
    tmp_path: Path, outside: Path, members: list[tarfile.TarInfo], form: int
) -> None:
    with pytest.raises(ActionError) as refused:
        unpacked(archive(*members, form=form), tmp_path / "target")

    assert refused.value.code == "JobFailed"
    assert not Path("/tmp/hookline-escaped").exists()  # noqa: S108 - the name in the archives
    assert outside.exists()


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path, outside: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "a").symlink_to(outside)

    with pytest.raises(ActionError, match='"a/new" is in the place of something else'):
        unpacked(archive(file("a/new")), target)


def test_a_file_in_the_place_of_a_link_replaces_it(tmp_path: Path, outside: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "file").symlink_to(outside / "file")

    unpacked(archive(file("file")), target)

    assert content(target) == {"file": "x"}


@pytest.mark.parametrize("form", FORMATS)
def test_what_stays_inside_is_unpacked(tmp_path: Path, form: int) -> None:
    data = archive(
        folder("./"),
        file("./a"),
        folder("folder"),
        file("folder/deep/b", size=1000),
        hard_link("again", "a"),
        hard_link("a", "a"),
        link("folder/up", "../a"),
        link("through", "folder/up"),
        link("missing", "folder/none/../x"),
        link("root", "."),
        link("loop", "loop"),
        link("ping", "pong"),
        link("pong", "ping"),
        file("twice", size=3),
        file("twice", size=2),
        link("..dots", "..."),
        form=form,
    )

    target = unpacked(data, tmp_path / "target")

    assert content(target) == {
        "..dots": "→ ...",
        "a": "x",
        "again": "x",
        "folder": "",
        "folder/deep": "",
        "folder/deep/b": "x" * 1000,
        "folder/up": "→ ../a",
        "loop": "→ loop",
        "missing": "→ folder/none/../x",
        "ping": "→ pong",
        "pong": "→ ping",
        "root": "→ .",
        "through": "→ folder/up",
        "twice": "xx",
    }
    assert (target / "a").samefile(target / "again")


def test_modes_are_safe_and_times_are_kept(tmp_path: Path) -> None:
    modes = {"plain": 0o666, "program": 0o777, "setuid": 0o6755, "none": 0, "odd": 0o611}
    members = [file(name, mode=mode) for name, mode in modes.items()]
    for member, modified in zip(members, (0, 1_000_000_000, -5, 2**40, 1), strict=True):
        member.mtime = modified

    for form in FORMATS[1:]:
        target = unpacked(archive(*members, form=form), tmp_path / str(form))
        status = {name: (target / name).stat() for name in modes}
        assert {name: stat.S_IMODE(each.st_mode) for name, each in status.items()} == {
            "plain": 0o644,
            "program": 0o755,
            "setuid": 0o755,
            "none": 0o600,
            "odd": 0o600,
        }
        assert status["program"].st_mtime == 1_000_000_000


NAMES = st.lists(
    st.text(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60
    ).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 250),
    min_size=1,
    max_size=8,
)


@given(NAMES, st.sampled_from(FORMATS[1:]), st.integers(0, 3000))
def test_what_tarfile_writes_is_read(names: list[str], form: int, size: int) -> None:
    path = "/".join(names)
    data = archive(file(path, size=size), link("link", path), form=form)

    with TemporaryDirectory() as place:
        target = unpacked(data, Path(place, "target"))
        assert (target / path).read_text() == "x" * size
        assert (target / "link").readlink() == Path(path)


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "pax"])
def test_what_the_tar_program_writes_is_read(tmp_path: Path, form: str) -> None:
    source = tmp_path / "source"
    deep = source / "a" / ("b" * 60)
    deep.mkdir(parents=True)
    (deep / "file").write_text("text")
    (deep / "again").hardlink_to(deep / "file")
    (source / "link").symlink_to("a")
    if form not in {"v7", "ustar"}:
        (deep / ("c" * 200)).write_text("long")
        (source / os.fsdecode(b"odd\xff\n")).write_text("odd")

    data = subprocess.check_output(["tar", f"--format={form}", "-cz", "-C", source, "."])

    assert content(unpacked(data, tmp_path / "target")) == content(source)


def test_a_sparse_file_of_the_tar_program_is_refused_by_name(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(10_000_000)

    for form in ("gnu", "pax"):
        command = ["tar", f"--format={form}", "-czS", "-C", str(tmp_path), "sparse"]
        with pytest.raises(ActionError, match="sparse"):
            unpacked(subprocess.check_output(command), tmp_path / f"target-{form}")


def test_a_folder_is_packed_and_unpacked_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "source"
    deepest = source.joinpath(*["d"] * DEEPEST)
    deepest.mkdir(parents=True)
    (deepest / "file").write_text("deep")
    (source / os.fsdecode(b"odd\xff\n")).write_text("odd")
    (source / ("long" * 60)).write_text("long")
    (source / "again").hardlink_to(source / ("long" * 60))
    (source / "loop").symlink_to("loop")
    (source / "ping").symlink_to("pong")
    (source / "pong").symlink_to("ping")
    (source / "empty").mkdir()
    paths = sorted(str(path.relative_to(source)) for path in source.rglob("*"))
    packed = io.BytesIO()

    assert pack(packed, source, paths, BOUNDS) == ()

    target = unpacked(packed.getvalue(), tmp_path / "target")
    assert content(target) == content(source)
    assert (target / "again").stat().st_nlink == 2


def test_links_that_only_others_keep_inside_go_with_them(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a" / "b").mkdir(parents=True)
    (source / "in").symlink_to("a/b")
    (source / "up").symlink_to("in/../../x")
    packed = io.BytesIO()

    assert pack(packed, source, ["up"], BOUNDS) == ("up",)
    assert pack(packed, source, ["in", "up"], BOUNDS) == ()


def headers(kind: bytes, text: bytes, times: int = 1) -> bytes:
    """Headers that extend the one of a file, each with `text`, and the file."""
    info = tarfile.TarInfo("@LongLink")
    info.type, info.size = kind, len(text)
    one = info.tobuf(tarfile.GNU_FORMAT) + text + b"\0" * (-len(text) % 512)
    return gzip.compress(one * times + file("a", 0).tobuf(tarfile.GNU_FORMAT) + bytes(1024), 1)


HEADERS = {
    "a name of megabytes": headers(b"L", b"a" * 5_000_000),
    "a link's target of megabytes": headers(b"K", b"a" * 5_000_000),
    "records of megabytes": headers(b"x", b"5000000 path=" + b"a" * 4_999_986 + b"\n"),
    "digits without end (CVE-2024-6232)": headers(b"x", b"1" * 1_000_000),
    "records that are too short": headers(b"x", b"3 a\n"),
    "a record longer than the header": headers(b"x", b"99 path=a\n"),
    "a record of no length": headers(b"x", b"0 path=a\n"),
    "a negative size (CVE-2025-8194)": headers(b"x", b"15 size=-10000\n"),
    "a size that is no number": headers(b"x", b"10 size=x\n"),
    "a name with an end in it": headers(b"x", b"12 path=a\0b\n"),
    "a link of no end": headers(b"x", b"13 GNU.sparse.\n"),
    "zeros": gzip.compress(bytes(50_000_000), 1) + b"garbage",
    "random bytes": gzip.compress(os.urandom(10_000)),
    "cut in the middle of a file": gzip.compress(gzip.decompress(archive(file("a", 900)))[:1000]),
    "cut in the middle of a header": gzip.compress(gzip.decompress(archive(file("a", 512)))[:1100]),
    "cut after a long name": gzip.compress(
        gzip.decompress(archive(file("a", 512)))[:1024]
        + gzip.decompress(headers(b"L", b"b"))[:1024]
    ),
    "cut while compressed": archive(file("a", 900))[:-9],
    "a wrong sum": archive(file("a", 900))[:-8] + bytes(8),
    "damaged": archive(file("a", 900))[:20] + b"\xff" * 40 + archive(file("a", 900))[60:],
    "nothing": b"",
    "nothing, compressed": gzip.compress(b""),
    "no archive": b"PK\3\4" + bytes(5000),
}


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS)
def test_an_archive_that_is_damaged_or_made_to_hurt_is_refused_at_once(
    tmp_path: Path, data: bytes
) -> None:
    started = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ActionError):
            unpacked(data, tmp_path / "target")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert time.process_time() - started < 10
    assert peak < 10_000_000


@pytest.mark.parametrize("size", [1, 512, 600])
@pytest.mark.parametrize("padded", [True, False])
def test_an_archive_without_its_end_is_unpacked(tmp_path: Path, size: int, padded: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """As Go's tar.Writer leaves it without Close."""
    content_end = 512 + size
    end = content_end + (-content_end % 512 if padded else 0)
    data = gzip.compress(gzip.decompress(archive(file("a", size)))[:end])

    target = unpacked(data, tmp_path / "target")

    assert content(target) == {"a": "x" * size}


def test_headers_of_many_short_records_are_read_quickly(tmp_path: Path) -> None:
    started = time.process_time()

    target = unpacked(headers(b"x", b"5 a=\n" * 200_000), tmp_path / "target")

    assert content(target) == {"a": ""}
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (Bounds(900_000), r"more than 900000 bytes \(the setting max_artifact\)"),
        (Bounds(10_000_000, free_bytes=500_000), "more than 200 times as large as the archive"),
        (Bounds(10_000_000, max_files=2), "more than 2 files and folders"),
    ],
)
def test_an_archive_beyond_its_bounds_is_refused(
    tmp_path: Path, bounds: Bounds, message: str
) -> None:
    data = archive(folder("a"), file("a/b", size=1_000_000), file("c"))

    with pytest.raises(ActionError, match=message):
        unpacked(data, tmp_path / "target", bounds)


def test_a_folder_beyond_its_bounds_is_not_packed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "sparse").open("wb") as sparse:
        sparse.truncate(300_000_000_000)
    packed = io.BytesIO()

    with pytest.raises(ActionError, match="more than 10000000 bytes"):
        pack(packed, source, ["sparse"], Bounds(10_000_000))
    with pytest.raises(ActionError, match="200 times"):
        pack(packed, source, ["sparse"], Bounds(1_000_000_000_000, free_bytes=10_000_000))
    assert packed.tell() < 1_000_000


def interrupted_after(calls: int) -> Bounds:
    numbers = iter(range(calls))

    def check() -> None:
        if next(numbers, None) is None:
            raise Interrupted

    return Bounds(100_000_000_000, check, free_bytes=100_000_000_000)


def test_packing_and_unpacking_can_be_stopped_at_any_time(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "large").open("wb") as large:
        large.truncate(100_000_000_000)
    (source / "link").symlink_to("large")

    for calls in (0, 1, 2, 50):
        with pytest.raises(Interrupted):
            pack(io.BytesIO(), source, ["large", "link"], interrupted_after(calls))
    data = archive(file("large", size=20_000_000), link("link", "large"))
    for calls in (0, 1, 2, 50):
        with pytest.raises(Interrupted):
            unpacked(data, tmp_path / "target", interrupted_after(calls))


def test_links_that_multiply_are_followed_as_far_as_the_kernel_would(tmp_path: Path) -> None:
    members = [link(f"l{n}", f"l{n + 1}/l{n + 1}") for n in range(200)]
    started = time.monotonic()

    unpacked(archive(*members), tmp_path / "target")

    assert time.monotonic() - started < 5


def steep_links(count: int) -> dict[str, str]:
    """Links with a long way each, that goes through forty others."""
    return {f"l{n}": "y/" * 680 + "../" * 680 + f"l{n + 1}" for n in range(count)}


def test_links_with_long_ways_are_followed_quickly(tmp_path: Path) -> None:
    members = [link(name, target) for name, target in steep_links(60).items()]
    started = time.process_time()

    unpacked(archive(*members), tmp_path / "target")

    assert time.process_time() - started < 4


def test_links_that_take_too_long_to_follow_are_neither_packed_nor_unpacked(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    links = steep_links(3_000)
    for name, target in links.items():
        (source / name).symlink_to(target)
    data = archive(*[link(name, target) for name, target in links.items()])
    started = time.process_time()

    with pytest.raises(ActionError, match="its links take too many steps"):
        unpacked(data, tmp_path / "target")
    with pytest.raises(ActionError, match="its links take too many steps"):
        pack(io.BytesIO(), source, list(links), BOUNDS)

    assert time.process_time() - started < 30


def test_many_links_of_the_usual_kind_are_packed_and_unpacked(tmp_path: Path) -> None:
    source = tmp_path / "source"
    links = [f"package{n}/bin/program" for n in range(10_000)]
    for path in links:
        (source / path).parent.mkdir(parents=True)
        (source / path).symlink_to("../../package0/bin/../program.js")
    packed = io.BytesIO()

    assert pack(packed, source, links, BOUNDS) == ()
    unpacked(packed.getvalue(), tmp_path / "target")


def test_a_pipe_is_left_out_and_not_waited_for(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    os.mkfifo(source / "pipe")
    done = threading.Event()

    def run() -> None:
        assert pack(io.BytesIO(), source, ["pipe"], BOUNDS) == ("pipe",)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(5)
