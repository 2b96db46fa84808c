"""What the user did, or the file they gave, cannot be worked with."""


class InputError(ValueError):
    """Something the user can put right.

    The message is one plain sentence that says what is wrong and what to do. The viewer shows it as a
    notification and the command line prints it as its single line on standard error.
    """


def sentence_of(error: BaseException) -> str | None:
    """Return an error that was to be foreseen as one sentence, None for any other."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    return None
