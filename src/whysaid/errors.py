"""The error that a door turns into one line and a non-zero exit status."""


class UserError(Exception):
    """Something the user can put right: one line that says what is wrong and what to do."""
