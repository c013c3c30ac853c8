"""Files wherever they lie: finds them by path or glob, tells them apart, opens them as streams.

A place is a local path or an fsspec URL. ``s3://`` goes through Arrow's own S3 client, which needs
no further library and streams without Python in between; every other scheme goes through fsspec.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    MissingDependency,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials, DatasetName, rooted

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2"}
_S3 = ("s3", "s3a")
_AWS = re.compile(r"AWS Error ([A-Z_]+)|ExceptionName: (\w+)|HTTP status (\d{3})")
_AWS_KINDS: Mapping[str, type[ImporterError]] = {
    "INVALIDACCESSKEYID": AuthenticationError,
    "SIGNATUREDOESNOTMATCH": AuthenticationError,
    "INVALIDCLIENTTOKENID": AuthenticationError,
    "INVALIDTOKEN": AuthenticationError,
    "EXPIREDTOKEN": AuthenticationError,
    "MISSINGAUTHENTICATIONTOKEN": AuthenticationError,
    "401": AuthenticationError,
    "ACCESSDENIED": ForbiddenError,
    "403": ForbiddenError,
    "NOSUCHBUCKET": ConfigurationError,
    "INVALIDBUCKETNAME": ConfigurationError,
}
"""What a store's answer means: Arrow writes NO_SUCH_BUCKET, S3 itself NoSuchBucket."""


class File(NamedTuple):
    """One file as a listing shows it.

    :param path: absolute local path, or URL
    :param size: bytes as stored; -1 if the place does not say
    :param modified: when its content changed, seconds since 1970 (0 if the place does not say)
    :param arrived: when it came to be here; on a local disk the later of content and inode change,
        so that a copy which keeps an old modification time still counts as new
    :param tag: the place's own version of the content (ETag, checksum), if it gives one
    """

    path: str
    size: int
    modified: float
    arrived: float
    tag: str | None = None

    @property
    def name(self) -> str:
        """The path for messages and locations: without a URL's query, which may hold a key."""
        return shown(self.path)

    @property
    def identity(self) -> str:
        """What changes when the content does: size, and the tag or the modification time."""
        return f"{self.size}-{self.tag or format(self.modified, '.6f')}"

    @property
    def modified_at(self) -> datetime:
        """When its content changed, in UTC."""
        return datetime.fromtimestamp(self.modified, tz=UTC)


def shown(path: str) -> str:
    """Return a path as it may be shown: without a URL's query, which may hold a key."""
    return path.partition("?")[0] if path.startswith(("http://", "https://")) else path


def is_local(path: str) -> bool:
    """Say whether a path lies on a disk of this machine."""
    return "://" not in path or path.startswith("file://")


def absolute(path: str) -> str:
    """Return a local path absolute, ``~`` expanded, a relative one rooted; a URL unchanged."""
    if not is_local(path):
        return path
    return os.path.abspath(rooted(os.path.expanduser(path.removeprefix("file://"))))  # noqa: PTH100, PTH111 - globs are not Paths


def dataset_name(path: str) -> DatasetName:
    """Name a path or URL as OpenLineage does; a glob stays as it is written."""
    if is_local(path):
        return DatasetName("file", absolute(path))
    url = urlsplit(path)
    if url.scheme in _S3:
        return DatasetName(f"s3://{url.netloc}", url.path.lstrip("/"))
    if url.scheme in ("http", "https"):
        return DatasetName(f"{url.scheme}://{url.netloc}", url.path)
    return DatasetName(f"{url.scheme}://{url.netloc}".removesuffix("://"), url.path)


def compression_of(path: str) -> str | None:
    """Return the codec that a file's name promises, or None."""
    return _SUFFIXES.get(Path(urlsplit(path).path if "://" in path else path).suffix.lower())


class FileStore:
    """Lists and opens files with one set of credentials; connects when first asked.

    :param credentials: for ``s3://``: login and password are the key pair; ``extra`` may hold
        ``aws_session_token``, ``region_name`` and ``endpoint_url``. Without a login the usual AWS
        places are searched (environment, profile, instance role)
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def list(self, paths: Sequence[str]) -> list[File]:
        """Return the files that paths and globs name, each once, sorted by path.

        A path that names nothing gives nothing: its file may still come.

        :raises ConfigurationError: if a folder or bucket is not there, or a path is a folder
        :raises AuthenticationError, ForbiddenError, TransientError: as the place answers
        """
        found: dict[str, File] = {}
        for path in paths:
            with _translated(shown(path)):
                files = _local(path) if is_local(path) else self._remote(path)
                found.update((file.path, file) for file in files)
        return [found[path] for path in sorted(found)]

    @contextmanager
    def open(self, file: File, *, compression: str = "none") -> Iterator[pa.NativeFile]:
        """Open a file for reading, decompressed.

        :param compression: ``auto`` goes by the file's name
        :raises DataError: if what it holds is not what its compression says
        """
        import pyarrow as pa

        codec = compression_of(file.path) if compression == "auto" else compression
        with _translated(file.name):
            raw = self._stream(file)
            with raw:
                if codec in (None, "none"):
                    yield raw
                    return
                with pa.CompressedInputStream(raw, codec) as stream:
                    yield stream

    def _stream(self, file: File) -> pa.NativeFile:
        import pyarrow as pa

        if is_local(file.path):
            return pa.OSFile(file.path, "rb")
        url = urlsplit(file.path)
        if url.scheme in _S3:
            return self._s3.open_input_file(url.netloc + url.path)
        return pa.PythonFile(_filesystem(file.path).open(file.path, "rb"), mode="r")

    def _remote(self, path: str) -> Iterator[File]:
        url = urlsplit(path)
        if url.scheme in _S3:
            return _in_bucket(self._s3, url.netloc + url.path, scheme=url.scheme)
        wild = glob.has_magic(path) and url.scheme not in ("http", "https")
        return _elsewhere(_filesystem(path), path, wild=wild)

    @cached_property
    def _s3(self) -> Any:
        from pyarrow import fs

        extra = self._credentials.extra
        endpoint = urlsplit(str(extra.get("endpoint_url") or ""))
        region = extra.get("region_name") or extra.get("region")
        return fs.S3FileSystem(
            access_key=self._credentials.login,
            secret_key=self._credentials.secret(),
            session_token=self._credentials.secret("aws_session_token"),
            endpoint_override=endpoint.netloc or None,
            scheme=endpoint.scheme or "https",
            region=region or ("us-east-1" if endpoint.netloc else None),
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3),
            connect_timeout=10,
        )


def _in_bucket(store: Any, path: str, *, scheme: str) -> Iterator[File]:
    """List objects under the part of ``path`` before its first wildcard; errors are not hidden."""
    from fsspec.utils import glob_translate
    from pyarrow import fs

    if not glob.has_magic(path):
        found = [store.get_file_info(path)]
        if found[0].type == fs.FileType.Directory:
            raise _folder(f"{scheme}://{path}")
        if found[0].type == fs.FileType.NotFound:  # or is it the bucket that is not there?
            store.get_file_info(fs.FileSelector(path.partition("/")[0]))
    else:
        fixed, rest = _fixed(path)
        deep = "**" in rest or "/" in rest
        selector = fs.FileSelector(fixed, recursive=deep, allow_not_found="/" in fixed)
        matches = re.compile(glob_translate(path)).match
        found = [info for info in store.get_file_info(selector) if matches(info.path)]
    for info in found:
        if info.type == fs.FileType.File:
            seconds = info.mtime_ns / 1e9
            yield File(f"{scheme}://{info.path}", info.size, seconds, seconds)


def _fixed(path: str) -> tuple[str, str]:
    """Split a glob before its first step with a wildcard."""
    steps = path.split("/")
    wild = next(i for i, step in enumerate(steps) if glob.has_magic(step))
    return "/".join(steps[:wild]), "/".join(steps[wild:])


def _elsewhere(place: Any, path: str, *, wild: bool) -> Iterator[File]:
    if wild:
        found = list(place.glob(path, detail=True).items())
    else:
        try:
            found = [(path, place.info(path))]
        except FileNotFoundError as error:
            # fsspec says so of every HTTP answer but 200; only 404 and 410 mean it.
            reason = error.__cause__
            if reason is None or getattr(reason, "status", None) in (404, 410):
                return
            raise reason from error
        if found[0][1].get("type") == "directory":
            raise _folder(path)
    prefix = f"{urlsplit(path).scheme}://"
    for name, info in found:
        if info.get("type") == "file":
            yield _described(name if "://" in name else prefix + name.lstrip("/"), info)


def _folder(path: str) -> ConfigurationError:
    return ConfigurationError(f"{path} is a folder: write {path.rstrip('/')}/* to read its files")


def _local(path: str) -> Iterator[File]:
    path = absolute(path)
    fixed = Path(_fixed(path)[0] or "/") if glob.has_magic(path) else Path(path).parent
    if not fixed.is_dir():
        there = next(parent for parent in fixed.parents if parent.is_dir())
        raise ConfigurationError(f"{path}: there is no folder {fixed} (there is {there})")
    wild_names = glob.glob(path, recursive=True) if glob.has_magic(path) else [path]  # noqa: PTH207 - keeps ** and absolute paths
    for name in wild_names:
        if Path(name).is_dir():
            if name == path:
                raise _folder(path)
        elif Path(name).exists():
            stat = Path(name).stat()
            yield File(name, stat.st_size, stat.st_mtime, max(stat.st_mtime, stat.st_ctime))


def _described(path: str, info: Mapping[str, Any]) -> File:
    times = ("mtime", "LastModified", "Last-Modified", "last_modified", "updated", "modified")
    time = next((info[key] for key in (*times, "created") if info.get(key)), 0.0)
    tags = ("ETag", "etag", "md5Hash", "Content-MD5", "Digest")
    tag = next((str(info[key]) for key in tags if info.get(key)), None)
    seconds = _seconds(time)
    size = info.get("size")
    return File(path, -1 if size is None else int(size), seconds, seconds, tag and tag.strip('"'))


def _seconds(time: Any) -> float:
    if isinstance(time, str):
        from email.utils import parsedate_to_datetime

        time = parsedate_to_datetime(time) if "," in time else datetime.fromisoformat(time)
    if isinstance(time, datetime):
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return float(time)


def _filesystem(path: str) -> Any:
    import fsspec

    scheme = urlsplit(path).scheme
    try:
        return fsspec.filesystem(scheme)
    except ImportError as error:
        extra = "http" if scheme in ("http", "https") else "files"
        raise MissingDependency(f"the fsspec driver of {scheme}://", extra=extra) from error
    except ValueError as error:
        known = "a local path, s3://, http(s)://, memory:// or another fsspec scheme"
        raise ConfigurationError(f"{path}: unknown scheme {scheme!r}; use {known}") from error


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn what goes wrong in a ``with`` block into an error that names the file."""
    try:
        yield
    except (ImporterError, GeneratorExit):
        raise
    except PermissionError as error:
        raise ForbiddenError(f"{path}: this process may not read it") from error
    except FileNotFoundError as error:
        raise TransientError(f"{path}: it was listed, and is gone now") from error
    except Exception as error:
        # An HTTP client's own error repeats the URL, query and all, in every traceback.
        raise _judged(path, error) from (None if path.startswith("http") else error)


def _judged(path: str, error: Exception) -> ImporterError:
    import pyarrow as pa

    status = getattr(error, "status", None)  # aiohttp's way to say what HTTP answered
    text = f"HTTP status {status}" if status else re.sub(r"\?[^\s'\"]+", "", str(error))
    codes = {code for match in _AWS.findall(text) for code in match if code}
    for code in codes:
        if kind := _AWS_KINDS.get(code.replace("_", "").upper()):
            return kind(f"{path}: the store answered {', '.join(sorted(codes))}")
    remote = isinstance(error, TimeoutError | ConnectionError) or bool(status or codes)
    # Arrow raises OSError, without a number, for what it cannot make sense of in a file.
    broken = isinstance(error, OSError) and error.errno is None and not remote
    if broken or isinstance(error, pa.ArrowInvalid | UnicodeError):
        return DataError(f"{path}: {text.splitlines()[0][:300]}")
    if isinstance(error, OSError) or remote:
        return TransientError(f"{path}: {type(error).__name__}: {', '.join(codes) or text[:300]}")
    raise error
