"""Read a file's bytes one after the other into memory that is already there."""

import zlib
from typing import Any, BinaryIO, Final, Protocol

decoder: Any
try:
    # Two to five times as fast as zlib.
    from isal import isal_zlib as decoder
except ImportError:  # there is no build of it for every machine
    decoder = zlib

_CHUNK: Final = 1 << 16
_PIECE: Final = 1 << 18
# How far behind the last voxel the checksum is looked for.
_REST: Final = 1 << 26

DECODING_ERRORS: Final[tuple[type[Exception], ...]] = (zlib.error, decoder.error)
"""What a damaged stream raises."""


class Stream(Protocol):
    """What voxels are read from."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill `buffer` as far as there is anything left; return how many bytes that was."""


class GzipStream:
    """The decompressed bytes of a gzip file, with its checksums checked.

    The standard library's reader hands out 8 kB at a time and copies them several times. This one leaves
    as much as it can to the decoder.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._member: Any = decoder.decompressobj(31)
        self._pending = b""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` as far as there is anything left; return how many bytes that was."""
        filled = 0
        while filled < len(buffer):
            piece = self._decompress(min(_PIECE, len(buffer) - filled))
            if not piece:
                break
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def finish(self) -> None:
        """Read on to the end, where the checksum is.

        Raises
        ------
        EOFError
            If the file ends before.
        DECODING_ERRORS
            If the checksum does not match.
        """
        read = 0
        while read < _REST and (piece := self._decompress(_PIECE)):
            read += len(piece)
        if read < _REST and not self._member.eof:
            raise EOFError

    def _decompress(self, limit: int) -> bytes:
        """Return some of the next bytes, none at the end."""
        while True:
            if self._member.eof:
                # Several members may follow one another, and zeros may pad the last.
                rest = self._member.unused_data + self._file.read(_CHUNK)
                if not rest.startswith(b"\x1f\x8b"):
                    return b""
                self._member, self._pending = decoder.decompressobj(31), rest
            given = self._pending or self._file.read(_CHUNK)
            piece: bytes = self._member.decompress(given, limit)
            self._pending = self._member.unconsumed_tail
            if piece or not (given or self._member.eof):
                return piece
