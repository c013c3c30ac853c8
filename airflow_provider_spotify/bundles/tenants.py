"""A folder of tenant YAML as a DAG bundle whose version is the folder's content."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion
from airflow.sdk.exceptions import AirflowException

from airflow_provider_spotify import __version__
from airflow_provider_spotify.bundles.shards import render
from airflow_provider_spotify.core.config.compile import Folder, load_folder, tenant_files
from airflow_provider_spotify.core.config.defaults import FILE_NAME
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.dag_factory.loader import spelled

_MARK = ".complete"


class TenantBundle(BaseDagBundle):
    """Renders tenants as DAG files into ``versions/<content hash>``, and pins runs to them.

    ::

        [dag_processor]
        dag_bundle_config_list = [{"name": "tenants",
            "classpath": "airflow_provider_spotify.bundles.tenants.TenantBundle",
            "kwargs": {"folder": "/opt/airflow/dag_configs"}}]

    A run keeps the YAML it started with. A tenant with errors is one import error in the UI, at
    its file, line and column; the others are not touched.

    :param folder: the YAML files, on every machine that parses DAGs or runs tasks
    :param shard_size: how many tenants share one DAG file at most on average. Each file costs a
        process and the import of Airflow (0.1 to 0.2 s), each tenant in it a few milliseconds; and
        each DAG keeps its file's source in Airflow's database, for the Code tab
    """

    supports_versioning = True

    def __init__(self, *, folder: str, shard_size: int = 20, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if shard_size < 1:
            raise ValueError(f"shard_size must be 1 or more, not {shard_size}")
        self.folder = Path(folder)
        self.shard_size = shard_size
        self._rendered = self.version

    @property
    def path(self) -> Path:
        """The rendered DAG files of the pinned version, or of the last refresh."""
        return self.versions_dir / (self._rendered or "none")

    def get_current_version(self) -> BundleVersion | None:
        """Return the hash of everything the DAG files were rendered from."""
        return BundleVersion(version=self._rendered) if self._rendered else None

    def initialize(self) -> None:
        """Make the files of the version there; safe in several processes at once."""
        with self.lock():
            if not _complete(self.path):
                self._bring()
        super().initialize()

    def refresh(self) -> None:
        """Render the folder as it is now, if it changed.

        :raises AirflowException: if this bundle is pinned to a version
        """
        if self.version:
            raise AirflowException("a bundle pinned to a version cannot be refreshed")
        with self.lock():
            self._bring()

    def _bring(self) -> None:
        """Render what the folder holds, unless those files are there already."""
        found, folder = self._digest(), None
        if self.version and found != self.version:
            raise AirflowException(
                f"version {self.version} of bundle {self.name} is not on this machine, and "
                f"{self.folder} has changed since: share [dag_processor] "
                "dag_bundle_storage_path between the machines, or clear the run with the "
                "latest version"
            )
        while not _complete(self.versions_dir / found):
            folder = load_folder(self.folder)
            found, before = self._digest(), found
            if found == before:  # No file changed while it was read.
                self._render(self.versions_dir / found, folder)
        self._rendered = found

    def _render(self, target: Path, folder: Folder) -> None:
        """Write all files aside, then move them into place at once."""
        self.versions_dir.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=self.versions_dir))
        files = render(
            folder.texts,
            defaults=folder.defaults.text,
            broken={
                Path(file).name: spelled(wrong, folder=self.folder)
                for file, wrong in folder.broken.items()
            },
            size=self.shard_size,
        )
        try:
            for name, text in files:
                (aside / name).write_text(text, encoding="utf-8")
            (aside / _MARK).touch()
            aside.chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)
            aside.replace(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _digest(self) -> str:
        """Hash everything the DAG files depend on: YAML, shard size and this package's version.

        :raises ConfigurationError: if there is no such folder
        """
        if not self.folder.is_dir():
            raise ConfigurationError(f"there is no folder {str(self.folder)!r} with tenants' YAML")
        digest = hashlib.blake2b(f"{__version__} {self.shard_size}".encode(), digest_size=16)
        for file in [self.folder / FILE_NAME, *tenant_files(self.folder)]:
            if file.is_file():
                digest.update(f"\0{file.name}\0{file.stat().st_size}\0".encode())
                digest.update(file.read_bytes())
        return digest.hexdigest()


def _complete(version: Path) -> bool:
    """Say whether a version was rendered to its end, and not begun to be cleaned up since."""
    return (version / _MARK).is_file()
