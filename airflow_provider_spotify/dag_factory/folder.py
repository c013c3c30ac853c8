"""Where the tenants' YAML lies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

BUNDLE = "airflow_provider_spotify.bundles.tenants.TenantBundle"
VARIABLE = "SPOTIFY_IMPORTS_FOLDER"
SECTION = "spotify_imports"
_DEFAULT = "dag_configs"


def tenants_folder(*, beside: str | None = None) -> Path:
    """Return the folder that is configured, or else the one next to the DAGs folder.

    The environment's comes first, then the configuration's, then the first TenantBundle's.

    :param beside: the DAG file that asks; without one, ``[core] dags_folder`` stands for its folder
    """
    if given := os.environ.get(VARIABLE):
        return Path(given)
    from airflow.sdk.configuration import conf

    if configured := conf.get(SECTION, "folder", fallback=""):
        return Path(str(configured))
    bundles: Any = conf.getjson("dag_processor", "dag_bundle_config_list", fallback=[])
    for bundle in bundles if beside is None else ():
        if bundle.get("classpath") == BUNDLE:
            return Path(bundle["kwargs"]["folder"])
    dags = Path(beside).parent if beside else Path(str(conf.get("core", "dags_folder")))
    return dags.parent / _DEFAULT
