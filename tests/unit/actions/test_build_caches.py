"""Caches of builds: what is kept, what is restored where, and how much of it."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hookline.actions.build_caches import BuildCaches, Folders
from support.workshop import BOUNDS


@dataclass
class Yard:
    """Folders of builds, one after another, and a log."""

    folder: Path
    log: list[str] = field(default_factory=list)
    count: int = 0

    def build(self, **files: str) -> Folders:
        self.count += 1
        folder = self.folder / f"build-{self.count}"
        for name in ("src", "home"):
            (folder / name).mkdir(parents=True)
        for name, text in files.items():
            file = folder / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return Folders(folder, BOUNDS, self.log.append)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_a_cache_is_one_project_s(yard: Yard) -> None:
    caches = BuildCaches(yard.folder / "caches", 1_000_000)
    caches.of("a").save(yard.build(home__kept="a"), ["$HOME/kept"])
    for project, kept in (("a", True), ("b", False)):
        build = yard.build()
        caches.of(project).restore(build)
        assert (build.folder / "home" / "kept").exists() is kept
        assert not (build.folder / "cache").exists()


def test_nothing_is_restored_through_a_link_of_the_source(yard: Yard, tmp_path: Path) -> None:
    caches = BuildCaches(yard.folder / "caches", 1_000_000)
    caches.of("a").save(yard.build(src__deps__file="kept"), ["deps/**/*"])
    outside = tmp_path / "outside"
    outside.mkdir()
    build = yard.build()
    (build.folder / "src" / "deps").symlink_to(outside)
    caches.of("a").restore(build)
    assert list(outside.iterdir()) == []


def test_a_damaged_cache_is_told_and_left_out(yard: Yard) -> None:
    caches = BuildCaches(yard.folder / "caches", 1_000_000)
    caches.of("a").save(yard.build(src__file="kept"), ["file"])
    [file] = (yard.folder / "caches").iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    build = yard.build()
    caches.of("a").restore(build)
    assert list((build.folder / "src").iterdir()) == []
    assert yard.log[-1].startswith("The cache can't be used: it ")


def test_those_used_least_recently_go_first(yard: Yard) -> None:
    folder = yard.folder / "caches"
    large = BuildCaches(folder, 1_000_000)
    for project in ("a", "b"):
        large.of(project).save(yard.build(src__file=project), ["file"])
    large.of("a").restore(yard.build())
    size = max(file.stat().st_size for file in folder.iterdir())
    BuildCaches(folder, 2 * size).of("c").save(yard.build(src__file="c"), ["file"])
    kept = []
    for project in ("a", "b", "c"):
        build = yard.build()
        large.of(project).restore(build)
        kept += [project] if (build.folder / "src" / "file").exists() else []
    assert kept == ["a", "c"]
