"""The errors that a door turns into one line and a non-zero exit status."""


class UserError(Exception):
    """Something the user can put right: one line that says what is wrong and what to do."""


class DoesNotApplyError(UserError):
    """A method cannot explain a model of this kind, whatever the photo and the words are."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether an error says that there is no memory left, of the machine or of its accelerator."""
    text = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in _OUT_OF_MEMORY)
    )


_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc", "Cannot allocate")
"""What torch's errors say, which are of no kind of their own on the CPU."""
