"""Where Delta tables lie: a local folder or a prefix of a bucket, and how each is opened."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_spotify.core.clients.files import absolute, is_local
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    MissingDependency,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

T = TypeVar("T")
_ATTEMPTS = 30
_LOG = "_delta_log"
_SAYS: tuple[tuple[tuple[str, ...], type[ImporterError]], ...] = (
    (("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"), AuthenticationError),
    (("AccessDenied", "403 Forbidden", "PermissionDenied", "Permission denied"), ForbiddenError),
    (("NoSuchBucket",), ConfigurationError),
)


def require() -> Any:
    """Return the library.

    :raises MissingDependency: if it is not installed
    """
    try:
        import deltalake
    except ImportError as error:
        raise MissingDependency("deltalake", extra="lake") from error
    return deltalake


@contextmanager
def delta_errors(where: str) -> Iterator[None]:
    """Turn the library's errors, and those of the place, into ours.

    :raises ImporterError: the one that says what to do next
    """
    import pyarrow as pa
    from deltalake.exceptions import CommitFailedError, DeltaError, DeltaProtocolError

    try:
        yield
    except CommitFailedError as error:
        raise TransientError(f"{where}: another writer was faster: {error}") from error
    except DeltaProtocolError as error:
        raise ConfigurationError(
            f"{where}: the table has a feature that deltalake cannot handle: {error}"
        ) from error
    except (DeltaError, OSError, pa.ArrowException) as error:
        said = str(error)
        kind = next((k for words, k in _SAYS if any(w in said for w in words)), TransientError)
        raise kind(f"{where}: {said}") from error


def is_conflict(error: BaseException) -> bool:
    """Say whether another writer's commit came between; the same again may succeed.

    deltalake 1.6 names some conflicts only by their text: two that create one table, and an
    ``alter`` that meets another one. A schema that no longer fits was widened by another.
    """
    from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError

    words = ("already exists", "Concurrent", "concurrent", "conflict", "VersionAlreadyExists")
    return isinstance(error, (CommitFailedError, SchemaMismatchError)) or (
        isinstance(error, (DeltaError, OSError)) and any(word in str(error) for word in words)
    )


def retried(act: Callable[[], T]) -> T:
    """Do something until no other writer comes between; ``act`` must look at the table anew."""
    for attempt in range(_ATTEMPTS):
        try:
            return act()
        except Exception as error:
            if not is_conflict(error) or attempt == _ATTEMPTS - 1:
                raise
        longest = min(0.01 * 1.5**attempt, 1.0)
        time.sleep(random.uniform(0, longest))  # noqa: S311 - spreads retries
    raise AssertionError("unreachable")


class Place:
    """A folder of Delta tables.

    :param path: a local folder, or ``s3://bucket/prefix``
    :param credentials: for ``s3://``, as those of file sources
    """

    def __init__(self, path: str, credentials: Credentials) -> None:
        require()
        if not is_local(path) and urlsplit(path).scheme not in ("s3", "s3a"):
            raise ConfigurationError(
                f"{path}: Delta tables are written to a local folder or to s3://bucket/prefix"
            )
        self.local = is_local(path)
        self.path = absolute(path).rstrip("/")
        self._credentials = credentials

    def uri(self, *steps: str) -> str:
        """Return where something below lies."""
        return "/".join([self.path, *steps])

    @cached_property
    def options(self) -> dict[str, str]:
        """How deltalake reaches the place.

        A commit on S3 is a put that fails where the object is there already (``etag``), so writers
        need no lock table:
        https://delta-io.github.io/delta-rs/usage/writing/writing-to-s3-with-locking-provider/.
        """
        if self.local:
            return {}
        given = self._credentials
        endpoint = str(given.extra.get("endpoint_url") or "")
        region = given.extra.get("region_name") or given.extra.get("region")
        options = {
            "AWS_ACCESS_KEY_ID": given.login,
            "AWS_SECRET_ACCESS_KEY": given.secret(),
            "AWS_SESSION_TOKEN": given.secret("aws_session_token"),
            "AWS_REGION": region or ("us-east-1" if endpoint else None),
            "AWS_ENDPOINT_URL": endpoint or None,
            "AWS_ALLOW_HTTP": "true" if endpoint.startswith("http://") else None,
            "aws_conditional_put": "etag",
        }
        return {name: str(value) for name, value in options.items() if value}

    @cached_property
    def files(self) -> Any:
        """The place as one of Arrow's file systems."""
        from pyarrow import fs

        if self.local:
            return fs.LocalFileSystem()
        endpoint = urlsplit(self.options.get("AWS_ENDPOINT_URL", ""))
        return fs.S3FileSystem(
            access_key=self._credentials.login,
            secret_key=self._credentials.secret(),
            session_token=self._credentials.secret("aws_session_token"),
            endpoint_override=endpoint.netloc or None,
            scheme=endpoint.scheme or "https",
            region=self.options.get("AWS_REGION"),
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3),
            connect_timeout=10,
        )

    def file(self, *steps: str) -> str:
        """Return what the file system calls something below."""
        whole = self.uri(*steps)
        return whole if self.local else whole.partition("://")[2]

    def table(self, *steps: str) -> DeltaTable | None:
        """Open a table; None if it is not there."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        uri = self.uri(*steps)
        if self.local and not Path(uri, _LOG).is_dir():
            return None
        try:
            return DeltaTable(uri, storage_options=self.options or None)
        except TableNotFoundError:
            return None

    def tables(self, *steps: str) -> list[str]:
        """Return the names of the tables of a folder."""
        return [name for name in self.names(*steps) if self._is_table(*steps, name)]

    def _is_table(self, *steps: str) -> bool:
        from pyarrow import fs

        found = self.files.get_file_info(self.file(*steps, _LOG))
        return bool(found.type == fs.FileType.Directory)

    def names(self, *steps: str) -> list[str]:
        """Return the names of what is in a folder, in order; none if there is no such folder."""
        from pyarrow import fs

        selector = fs.FileSelector(self.file(*steps), allow_not_found=True)
        return sorted(info.base_name for info in self.files.get_file_info(selector))

    def write(self, table: pa.Table, *steps: str) -> None:
        """Write a Parquet file, whole or not at all."""
        import pyarrow.parquet as pq

        target = self.file(*steps)
        if not self.local:  # an object is there once all of it is
            pq.write_table(table, target, filesystem=self.files, compression="lz4")
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        draft = Path(f"{target}.draft")
        pq.write_table(table, draft, compression="lz4")
        draft.rename(target)

    def delete(self, *steps: str) -> None:
        """Delete a file if it is there."""
        if self.local:
            Path(self.file(*steps)).unlink(missing_ok=True)
            return
        try:
            self.files.delete_file(self.file(*steps))
        except FileNotFoundError:
            return

    def clear(self, *steps: str) -> None:
        """Delete a folder if it is there."""
        if self.local:
            shutil.rmtree(self.file(*steps), ignore_errors=True)
            return
        for name in self.names(*steps):
            self.delete(*steps, name)
