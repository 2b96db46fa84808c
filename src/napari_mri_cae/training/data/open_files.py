"""How many files may be open at once."""

from contextlib import suppress
from typing import Final

# What Python, torch and the run itself have open, with room to spare.
_OTHERS: Final = 256


def allow_open_files(count: int) -> None:
    """Let this process have so many files open beside its own, as far as the system's hard limit lets it.

    Every volume that is mapped into memory keeps its file open; macOS begins with a limit of 256.
    """
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHERS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
