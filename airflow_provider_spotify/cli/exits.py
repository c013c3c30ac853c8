"""What a command's end says: its exit code, and one line about what went wrong.

Exit codes: 0 good, 1 the data or the YAML has errors, 2 the call or a connection is wrong,
75 try again later (EX_TEMPFAIL of sysexits.h), 130 stopped by the user.
"""

from __future__ import annotations

import argparse
import sys

OK, BAD_DATA, BAD_CALL, TRY_LATER, STOPPED = 0, 1, 2, 75, 130


def guarded(run: object, arguments: argparse.Namespace) -> int:
    """Run a command and turn its errors into a line on stderr and an exit code."""
    from airflow_provider_spotify.core import errors

    assert callable(run)
    try:
        return int(run(arguments))
    except errors.NothingToDo as error:
        print(f"nothing to do: {error}", file=sys.stderr)
        return OK
    except errors.Cancelled as error:
        return _failed(error, STOPPED)
    except errors.TransientError as error:
        return _failed(error, TRY_LATER)
    except errors.DataError as error:
        return _failed(error, BAD_DATA)
    except errors.ImporterError as error:
        return _failed(error, BAD_CALL)
    except BrokenPipeError:
        # the reader, such as head, has seen enough; keep Python from complaining at exit
        sys.stderr.close()
        return OK


def _failed(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code
