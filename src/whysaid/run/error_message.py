"""The one line that a door makes of an exception."""

from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS

from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException

from whysaid.errors import UserError


def expected(error: BaseException) -> bool:
    """Tells whether an error is the user's or the configuration's, rather than a defect."""
    if isinstance(error, InstantiationException):  # Hydra wraps whatever a constructor raises
        return _user_error(error) is not None or _refused(error) is not None
    return isinstance(error, UserError | HydraException | OmegaConfBaseException) or _refused(error) is not None


def error_line(error: BaseException) -> str:
    """Returns the message of an error, or of the user's error inside it, on one line."""
    refused = _refused(error)
    if refused is not None and _user_error(error) is None:
        return f"{refused.filename} cannot be read or written ({refused.strerror}): choose other places with {_PLACES}"
    return " ".join(str(_user_error(error) or error).split())


_PLACES = "paths.output_dir, paths.data_dir, or data.cache_dir for what is derived from the data"


def _refused(error: BaseException | None) -> OSError | None:
    """Finds the operating system's refusal to read or write a file inside an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (EACCES, EPERM, EROFS, ENOSPC, EDQUOT) and error.filename:
            return error
        error = error.__cause__ or error.__context__
    return None


def _user_error(error: BaseException | None) -> UserError | None:
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error
