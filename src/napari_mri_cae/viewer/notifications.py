"""Tell the user, in one sentence, what went wrong; the traceback goes to the log."""

import logging

from napari.utils.notifications import show_error

from napari_mri_cae.errors import InputError

_log = logging.getLogger(__name__)


def report(error: BaseException) -> None:
    """Show `error` as a notification and write its traceback to the log.

    Parameters
    ----------
    error : BaseException
        An `InputError`'s own sentence is shown as it is. Anything else was not foreseen, and the sentence
        says so. Call this in the main thread only.
    """
    if isinstance(error, InputError):
        _log.info("%s", error, exc_info=error)
        show_error(str(error))
    else:
        _log.error("Unexpected error", exc_info=error)
        detail = " ".join(str(error).split()) or type(error).__name__
        show_error(f"Something unexpected went wrong ({detail}); the log has the details.")
