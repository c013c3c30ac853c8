"""Every error an import can raise, sorted by what its caller does next.

::

    ImporterError
    ├── ConfigurationError      fix the YAML or the arguments; a retry cannot help
    │   └── MissingDependency   install the extra that the message names
    ├── AuthenticationError     renew or replace the credentials; a retry cannot help
    ├── ForbiddenError          ask the system's owner for access; a retry cannot help
    ├── DataError               look at the data; the cursor has not moved
    │   ├── ContractViolation   the data no longer has the agreed shape
    │   ├── QualityViolation    a check of severity ``error`` failed
    │   └── TooManyRejected     more rows were rejected than ``max_rejected`` allows
    ├── NothingToDo             skip this run; there is nothing new
    ├── BudgetSpent             this run may ask no more: keep what came, the next run goes on
    ├── TransientError          try again, not before ``retry_after`` seconds
    │   ├── QuotaExhausted      the wait is long: keep the cursor, free the worker, resume later
    │   └── Idle                a stream is silent: free the worker, resume when it has something
    └── Cancelled               stop cleanly; what was checkpointed is kept
"""

from __future__ import annotations


class ImporterError(Exception):
    """Say what is wrong, where, and what to do; never hold a secret."""


class ConfigurationError(ImporterError):
    """The YAML, the arguments or the installation are wrong."""


class MissingDependency(ConfigurationError):
    """A source or sink needs a library that is not installed.

    :param library: the distribution that is missing
    :param extra: the extra of this package that brings it
    """

    def __init__(self, library: str, *, extra: str) -> None:
        super().__init__(
            f"{library} is not installed: pip install 'airflow-provider-spotify[{extra}]'"
        )
        self.library = library
        self.extra = extra


class AuthenticationError(ImporterError):
    """The system refused the credentials."""


class ForbiddenError(ImporterError):
    """The credentials are good, but this resource is not open to them."""


class DataError(ImporterError):
    """The data is not what was agreed; nothing was published."""


class ContractViolation(DataError):
    """The data's shape differs from a contract that may not change."""


class QualityViolation(DataError):
    """A quality check of severity ``error`` failed."""


class TooManyRejected(DataError):
    """More rows were rejected than ``max_rejected`` allows."""


class NothingToDo(ImporterError):
    """There is nothing new to import."""


class BudgetSpent(ImporterError):
    """The run has asked for all it may; what came before is kept, and the next run goes on."""


class TransientError(ImporterError):
    """The system could not answer now and may answer later.

    :param message: what happened and where
    :param retry_after: seconds that the system asked to wait, if it said
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaExhausted(TransientError):
    """The system asks for a wait too long to hold a worker for."""


class Idle(TransientError):
    """A stream gave nothing for a while; what came before is visible, and the load may go on."""


class Cancelled(ImporterError):
    """The caller asked the import to stop."""
