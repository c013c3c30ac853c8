"""The example tenants: every DAG of ``dag_configs/`` runs, over real HTTP and real files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.config.compile import load_folder
from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.opening import open_sink
from demo.tenants import systems

CONFIGS = Path(__file__).parents[2] / "dag_configs"
PLANS = [
    plan for tenant in load_folder(CONFIGS).tenants.values() for plan in tenant.imports.values()
]
IN_ORDER = [p for p in PLANS if not p.after] + [p for p in PLANS if p.after]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start what the tenants import from, write their files, and define their connections."""
    root = tmp_path_factory.mktemp("examples")
    with systems(root) as connections, pytest.MonkeyPatch.context() as patch:
        for name, value in connections.items():
            patch.setenv(name, value)
        patch.setenv("SPOTIFY_IMPORTS_ROOT", str(root))
        # dag.test() of Airflow 3.3 fails after a successful run of a DAG that has a deadline.
        patch.setenv("SPOTIFY_IMPORTS_DEADLINES", "off")
        yield root


@pytest.fixture(scope="module")
def dags(world: Path) -> dict[str, Any]:
    """Give the DAGs that ``dags/tenants.py`` would."""
    from airflow_provider_spotify.dag_factory import load_tenants

    namespace: dict[str, Any] = {}
    load_tenants(namespace, folder=CONFIGS)
    return namespace


def sink_of(plan: ImportPlan) -> Any:
    return open_sink(plan.destination, tenant=plan.tenant, resolve=lambda _: Credentials())


def test_the_examples_have_no_problems() -> None:
    assert load_folder(CONFIGS).problems == ()
    assert len({plan.tenant for plan in PLANS}) >= 3


@pytest.mark.parametrize("plan", IN_ORDER, ids=lambda plan: plan.dag_id)
def test_the_dag_lands_its_rows_protected_and_running_it_again_adds_none(
    plan: ImportPlan, dags: dict[str, Any], run_dag: Callable[..., Any]
) -> None:
    """No protected column may hold an address of the example's people in clear."""
    run = run_dag(dags[plan.dag_id])
    assert run.state == "success", {t.task_id: t.state for t in run.get_task_instances()}
    sink = sink_of(plan)
    (entry,) = sink.history(plan.name)
    assert (entry.status, entry.table) == ("committed", plan.table)
    assert entry.rows > 0

    rows = sink.query(f'SELECT * FROM "{plan.table}"')
    protected = [name for name, column in plan.contract.columns.items() if column.pii]
    for name in set(protected) & set(rows.column_names):
        values = [str(value) for value in rows[name].unique().to_pylist()]
        assert not [v for v in values if "@mail.example" in v or "@agency.example" in v]

    if not plan.wait_for:  # It would wait for what does not come.
        again = run_dag(dags[plan.dag_id])
        assert again.state == "success"
        assert sink.query(f'SELECT * FROM "{plan.table}"').num_rows == rows.num_rows
