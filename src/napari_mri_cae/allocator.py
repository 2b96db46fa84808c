"""Keep freed memory with the process, where the C library would hand it back and fault it in again.

glibc returns every large block to the kernel when it is freed. A network on a CPU frees and asks for the
same large blocks hundreds of times a second, and the kernel then clears each page again: half of the time
of a forward pass goes there. Raising two thresholds of glibc's `malloc` ends that in the main thread; other
threads get blocks from arenas of limited size, so they have to share the main one.
"""

import ctypes
import logging
import platform
from functools import cache

_log = logging.getLogger(__name__)

# The numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
# Older versions of glibc refuse more than 32 MiB for blocks.
_LARGEST = (1 << 30, 1 << 25)


@cache
def keep_pages() -> bool:
    """Tell glibc to keep freed blocks for reuse, in every thread that starts from now on.

    It matters on Linux with glibc only; elsewhere nothing is done. The process keeps the memory of its
    largest moment until it ends. Calling it again changes nothing.

    Returns
    -------
    bool
        Whether the C library took the settings.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        _log.debug("the C library has no mallopt")
        return False
    kept = any(mallopt(_M_MMAP_THRESHOLD, size) for size in _LARGEST)
    return bool(mallopt(_M_TRIM_THRESHOLD, _LARGEST[0]) and mallopt(_M_ARENA_MAX, 1) and kept)
