"""What the user did, or the file they gave, cannot be worked with."""


class InputError(ValueError):
    """Something the user can put right.

    The message is one plain sentence that says what is wrong and what to do. The viewer shows it as a
    notification and the command line prints it as its single line on standard error.
    """
