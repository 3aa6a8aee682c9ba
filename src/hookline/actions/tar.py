"""Reads tar archives as a stream: what each member is and its bytes, nothing of the file system.

Not the standard library's tarfile: in the Pythons that Hookline runs on, reading a header alone may
take any memory or time (CVE-2024-6232, CVE-2025-8194), and what it understands differs.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from hookline.errors import ActionError

BLOCK = 512
_CHUNK = 1 << 18
_LONGEST_HEADER = 1 << 20
_LONGEST_NUMBER = 20
_LONGEST_SHOWN = 200
_POSIX = b"ustar\0"
_POSITIVE, _NEGATIVE = 0x80, 0xFF
_BINARY = (_POSITIVE, _NEGATIVE)
_RECORDS = (b"path", b"linkpath", b"size")
_TOO_SHORT = "it ends too early"
_UNREADABLE = "it has a header that can't be read"
_CHECKSUM = slice(148, 156)


class Kind(Enum):
    """What a member is."""

    FILE = "a file"
    HARD_LINK = "a hard link"
    LINK = "a link"
    FOLDER = "a folder"
    SPECIAL = "a device or a pipe"


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARD_LINK,
    b"2": Kind.LINK,
    b"3": Kind.SPECIAL,
    b"4": Kind.SPECIAL,
    b"5": Kind.FOLDER,
    b"6": Kind.SPECIAL,
}
# Headers that tell of the next member, or of all of them (which is only ever a comment).
_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_TARGET = b"x", b"g", b"L", b"K"
_EXTENSIONS = (_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_TARGET)


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `size` in bytes, `modified` in seconds; `target` is where a link points."""

    name: str
    kind: Kind
    size: int
    mode: int
    modified: int
    target: str


class TarReader:
    """The members of an archive in their order, of ustar, pax or GNU form.

    `read(n)` gives n bytes of the archive, fewer only at its end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._left = 0
        self._padding = 0
        self._may_end = False

    def __iter__(self) -> Iterator[Member]:
        """Each member; its content is to be read before the next.

        Raises:
            ActionError: the archive is damaged, or has what is not understood.
        """
        told: dict[str, str] = {}
        while any(header := self._header()):
            _verify(header)
            kind, size = header[156:157], _number(header[124:136])
            self._may_end = False
            if kind in _EXTENSIONS:
                told |= self._extension(kind, size)
                continue
            member = _member(header, kind, told)
            told = {}
            yield self._opened(member)
            self._skip()
            self._may_end = True

    def content(self) -> Iterator[bytes]:
        """The bytes of the last member, in pieces."""
        while self._left:
            data = self._exactly(min(self._left, _CHUNK))
            self._left -= len(data)
            yield data

    def _header(self) -> bytes:
        """The next header; nothing where the archive ends without an end, as some write it."""
        header = self._read(BLOCK)
        if len(header) < BLOCK and (header or not self._may_end):
            raise ActionError(_TOO_SHORT)
        return header

    def _opened(self, member: Member) -> Member:
        self._left = member.size if member.kind is Kind.FILE else 0
        self._padding = -self._left % BLOCK
        return member

    def _skip(self) -> None:
        for _ in self.content():
            pass
        # Who writes no end may leave out what fills the last block, too.
        self._read(self._padding)

    def _extension(self, kind: bytes, size: int) -> dict[str, str]:
        """What an extending header says of the next member, by pax's names."""
        if not 0 <= size <= _LONGEST_HEADER:
            raise ActionError("it has a header of more than 1 MB")
        data = self._exactly(size)
        self._exactly(-size % BLOCK)
        if kind == _EXTENDED:
            return _records(data)
        if kind == _GLOBAL:
            return {}
        return {"path" if kind == _LONG_NAME else "linkpath": _text(data)}

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) < size:
            raise ActionError(_TOO_SHORT)
        return data


def shown(name: str) -> str:
    """A name of an archive, as a message may have it: quoted, cut, and text whatever it is."""
    text = os.fsencode(name).decode(errors="replace")
    return f'"{text}"' if len(text) <= _LONGEST_SHOWN else f'"{text[:_LONGEST_SHOWN]}…"'


def _verify(header: bytes) -> None:
    spaces = b" " * (_CHECKSUM.stop - _CHECKSUM.start)
    plain = header[: _CHECKSUM.start] + spaces + header[_CHECKSUM.stop :]
    if _number(header[_CHECKSUM]) != sum(plain):
        raise ActionError("it is not a tar archive, or damaged")


def _member(header: bytes, kind: bytes, told: dict[str, str]) -> Member:
    name = _text(header[:100])
    if header[257:263] == _POSIX and header[345]:
        name = f"{_text(header[345:500])}/{name}"
    name = told.get("path", name)
    if kind not in _KINDS:
        raise ActionError(f"{shown(name)} is of a kind that is not supported: {kind!r}")
    size = _decimal(os.fsencode(told["size"])) if "size" in told else _number(header[124:136])
    if size < 0:
        raise ActionError(_UNREADABLE)
    member = Member(
        name=name,
        kind=_KINDS[kind],
        size=size,
        mode=_number(header[100:108]),
        modified=_number(header[136:148]),
        target=told.get("linkpath", _text(header[157:257])),
    )
    is_old_folder = kind == b"\0" and name.endswith("/")
    return replace(member, kind=Kind.FOLDER) if is_old_folder else member


def _text(field: bytes) -> str:
    return os.fsdecode(field.split(b"\0", 1)[0])


def _number(field: bytes) -> int:
    """A number of a header: octal, or binary where octal has too few digits or no sign."""
    if field[0] in _BINARY:
        return int.from_bytes(field[1:], signed=field[0] == _NEGATIVE)
    digits = field.strip(b" \0") or b"0"
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise ActionError(_UNREADABLE)
    return int(digits, 8)


def _records(data: bytes) -> dict[str, str]:
    """What matters of a pax header's records, each `LENGTH KEY=VALUE` and a line's end."""
    records = {}
    start = 0
    while start < len(data):
        digits = data[start : start + _LONGEST_NUMBER].split(b" ", 1)[0]
        end = start + _decimal(digits)
        key, equals, value = data[start + len(digits) + 1 : end - 1].partition(b"=")
        if not equals or data[end - 1 : end] != b"\n" or b"\0" in value:
            raise ActionError(_UNREADABLE)
        if key.startswith(b"GNU.sparse."):
            raise ActionError("it has a sparse file, which is not supported")
        if key in _RECORDS:
            records[key.decode()] = os.fsdecode(value)
        start = end
    return records


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) >= _LONGEST_NUMBER:
        raise ActionError(_UNREADABLE)
    return int(digits)
