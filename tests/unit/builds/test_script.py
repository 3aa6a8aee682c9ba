import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from hookline.builds.script import Output

MARK = b"\x1eabc "


def parted(chunks: Iterable[bytes]) -> list[bytes | int]:
    """What a reader of the chunks gets, with the output between two statuses joined."""
    output = Output("abc")
    parts = [part for chunk in chunks for part in output.feed(chunk)] + [output.end()]
    joined: list[bytes | int] = []
    for is_status, group in itertools.groupby(parts, lambda part: isinstance(part, int)):
        if is_status:
            joined += group
        elif text := b"".join(part for part in group if isinstance(part, bytes)):
            joined.append(text)
    return joined


def test_statuses_are_parted_from_the_output() -> None:
    assert parted([b"one\ntwo" + MARK + b"0\nthree\n" + MARK + b"17\n"]) == [
        b"one\ntwo",
        0,
        b"three\n",
        17,
    ]


def test_output_is_not_held_back() -> None:
    output = Output("abc")
    assert list(output.feed(b"half a line")) == [b"half a line"]
    assert list(output.feed(b"\x1eab")) == []
    assert list(output.feed(b"x")) == [b"\x1eabx"]


@given(
    st.lists(st.one_of(st.integers(0, 255), st.binary(max_size=6)), max_size=6),
    st.lists(st.integers(1, 8), min_size=1, max_size=8),
)
def test_it_does_not_matter_how_the_output_is_cut(
    parts: list[bytes | int], sizes: list[int]
) -> None:
    data = b"".join(
        part.replace(b"\x1e", b"\x1eab") if isinstance(part, bytes) else MARK + b"%d\n" % part
        for part in parts
    )
    whole = parted([data])
    cuts = itertools.cycle(sizes)
    chunks = []
    while data:
        size = next(cuts)
        chunks.append(data[:size])
        data = data[size:]
    assert parted(chunks) == whole
    assert [part for part in whole if isinstance(part, int)] == [
        part for part in parts if isinstance(part, int)
    ]
