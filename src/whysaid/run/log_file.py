"""The log file of a run, where its disk may be full."""

import logging
import sys


class LogFile(logging.FileHandler):
    """Writes records to a file; where that fails, one line says so, and the run goes on without a log.

    Python's own handler would write a stack trace for every record.
    """

    failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Says once what is wrong; a defect in a record keeps its stack trace."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.failed:
            self.failed = True
            print(f"{self.baseFilename} cannot be written ({error.strerror})", file=sys.stderr)
