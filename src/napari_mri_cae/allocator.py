"""Keep freed memory with the process, where the C library would hand it back and fault it in again.

glibc returns every large block to the kernel when it is freed. A network on a CPU frees and asks for the
same large blocks hundreds of times a second, and the kernel then clears each page again: half of the time
of a forward pass goes there. Raising two thresholds of glibc's `malloc` ends that.
"""

import ctypes
import logging
import platform

_log = logging.getLogger(__name__)

# The numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP = 1 << 30
_done = False


def keep_pages() -> bool:
    """Tell glibc to keep blocks of up to 1 GiB for reuse. Calling it again changes nothing.

    It matters on Linux with glibc only; elsewhere nothing is done. The process keeps the memory of its
    largest moment until it ends.

    Returns
    -------
    bool
        Whether the C library took the thresholds.
    """
    global _done
    if _done:
        return True
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        _log.debug("the C library has no mallopt")
        return False
    # Both are asked for, even where the first is refused.
    accepted = [mallopt(option, _KEEP) == 1 for option in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD)]
    _done = all(accepted)
    return _done
