"""Hands a load's report on: to XCom, to the outlet assets and to their state stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from airflow_provider_spotify.core.model import LoadReport
from airflow_provider_spotify.triggers.ready import CURSOR

if TYPE_CHECKING:
    from airflow.sdk import Context


_PERSONAL = {"columns": {"__all__": {"min", "max", "quantiles"}}}


def xcom(report: LoadReport) -> dict[str, Any]:
    """Return a report as JSON without any value that came from a row."""
    return report.model_dump(mode="json", exclude=_PERSONAL)


def announce(
    report: LoadReport, *, context: Context, inlets: Iterable[Any], outlets: Iterable[Any]
) -> None:
    """Tell every outlet asset what the load brought, and leave a copy of the cursor with it.

    The cursor beside the data stays the truth; the copy is for the UI, and for the sensors and
    watchers of an asset, which may be an inlet.
    """
    written = [asset for asset in outlets if isinstance(asset, Asset)]
    for asset in written:
        context["outlet_events"][asset].extra = {
            "tenant": report.tenant,
            "import": report.import_name,
            "rows": report.rows,
            "rejected": report.rejected,
            "load_id": str(report.load_id),
        }
    if report.cursor_after is None or report.dry_run:
        return
    for asset in (*written, *(asset for asset in inlets if isinstance(asset, Asset))):
        context["asset_state_store"][asset].set(CURSOR, dict(report.cursor_after))
