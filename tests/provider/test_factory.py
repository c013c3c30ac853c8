"""The factory: plans become DAGs, and a folder becomes a namespace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.provider.folders import write_broken, write_tenant

FULL = """
plays:
  description: What people played
  source: {type: csv, path: "/data/{tenant}/plays-*.csv"}
  table: plays
  write: {mode: merge, key: [event_id]}
  schedule: "*/10 * * * *"
  wait_for: {timeout: 2h, poke: 30s}
  retries: {attempts: 5, delay: 10s, max_delay: 20m}
  timeout: 45m
  pool: acme
  priority: 7
  tags: [gold]
  contract: {columns: {event_id: {type: string}, email: {type: string, pii: redact}}}
  quality: [{check: unique, columns: [event_id]}]
  max_rejected: 10
  sla: {within: 15m}
skips:
  source: {type: csv, path: "/data/{tenant}/skips.csv"}
  table: skips
  after: [plays]
"""
HEAD = """
team: growth
notify: [{type: slack, connection: acme__slack, channel: "#acme"}, {type: log, on: [success]}]
"""


def load(folder: Path) -> dict[str, Any]:
    from airflow_provider_spotify.dag_factory import load_tenants

    namespace: dict[str, Any] = {}
    load_tenants(namespace, folder=folder)
    return namespace


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that asks for one DAG, as a worker does."""

    def ask(dag_id: str) -> None:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)

    return ask


@pytest.fixture
def opened() -> Iterator[set[str]]:
    """Give the names of the YAML files that are opened during a test."""
    names: set[str] = set()
    listening = [True]

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if listening and event == "open" and str(args[0]).endswith(".yaml"):
            names.add(Path(str(args[0])).name)

    sys.addaudithook(hear)
    yield names
    listening.clear()


def test_every_import_becomes_a_dag_named_for_its_tenant(tmp_path: Path) -> None:
    write_tenant(tmp_path, imports=FULL)
    write_tenant(tmp_path, tenant="beta")
    assert sorted(load(tmp_path)) == ["acme__plays", "acme__skips", "beta__plays"]


def test_an_import_waits_only_if_the_yaml_says_so(tmp_path: Path) -> None:
    write_tenant(tmp_path, imports=FULL)
    dags = load(tmp_path)
    plays, skips = dags["acme__plays"], dags["acme__skips"]
    assert skips.task_ids == ["import"]
    wait = plays.get_task("wait")
    assert (wait.timeout, wait.poke_interval, wait.deferrable) == (7200.0, 30.0, True)
    assert wait.downstream_task_ids == {"import"}


def test_the_words_of_the_yaml_are_the_operators_arguments(tmp_path: Path) -> None:
    write_tenant(tmp_path, imports=FULL)
    task = load(tmp_path)["acme__plays"].get_task("import")
    assert type(task).__name__ == "CsvImportOperator"
    assert task.path == "/data/acme/plays-*.csv"
    assert task.write == {"mode": "merge", "key": ["event_id"]}
    assert task.quality == [{"check": "unique", "columns": ["event_id"]}]
    assert (task.tenant, task.import_name, task.table) == ("acme", "plays", "plays")
    assert task.max_rejected == 10
    assert task.destination == {"type": "duckdb", "path": f"{tmp_path.as_posix()}/acme.duckdb"}


def test_the_task_rebuilds_the_plan_it_was_built_from(tmp_path: Path) -> None:
    from airflow_provider_spotify.core.config.compile import load_folder

    write_tenant(tmp_path, imports=FULL)
    plan = load_folder(tmp_path).tenants["acme"].imports["plays"]
    rebuilt = load(tmp_path)["acme__plays"].get_task("import").plan()
    for word in ("source", "destination", "table", "write", "contract", "quality", "max_rejected"):
        assert getattr(rebuilt, word) == getattr(plan, word), word


def test_retries_pool_and_timeout_reach_the_tasks(tmp_path: Path) -> None:
    write_tenant(tmp_path, imports=FULL)
    dag = load(tmp_path)["acme__plays"]
    for task in dag.tasks:
        assert (task.retries, task.pool, task.priority_weight) == (5, "acme", 7)
        assert task.retry_delay.total_seconds() == 10
        assert task.max_retry_delay.total_seconds() == 1200
        assert task.retry_exponential_backoff == 2.0
        assert task.owner == "data@acme.example"
        assert task.retry_policy is not None
    assert dag.get_task("import").execution_timeout.total_seconds() == 2700
    assert dag.get_task("wait").execution_timeout is None


def test_a_dag_runs_once_at_a_time_and_does_not_catch_up(tmp_path: Path) -> None:
    write_tenant(tmp_path, imports=FULL, head=HEAD)
    dag = load(tmp_path)["acme__plays"]
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert dag.tags == {"tenant:acme", "source:csv", "team:growth", "gold"}
    assert dag.description == "What people played"


def test_the_page_of_a_dag_tells_facts_and_no_yaml(tmp_path: Path) -> None:
    write_tenant(tmp_path, imports=FULL, head=HEAD)
    page = load(tmp_path)["acme__plays"].doc_md
    for fact in ("merge on event_id", "`email` redact", "unique(event_id)", "within 15m"):
        assert fact in page
    assert "imports:" not in page
    assert "acme__slack" not in page


def test_the_form_of_a_manual_run_is_what_the_operator_reads(tmp_path: Path) -> None:
    from airflow_provider_spotify.operators.runs import PARAMS

    write_tenant(tmp_path)
    dag = load(tmp_path)["acme__plays"]
    assert tuple(dag.params) == PARAMS
    assert dag.params.validate() == dict.fromkeys(PARAMS[:2]) | dict.fromkeys(PARAMS[2:], False)
    for name in PARAMS:
        param = dag.params.get_param(name)
        assert param.schema["title"]
        assert param.description
    dag.params["window_from"] = "2026-01-31T06:00:00+01:00"
    with pytest.raises(Exception, match="dry_run"):
        dag.params["dry_run"] = "perhaps"


def test_two_dags_never_share_the_values_of_a_form(tmp_path: Path) -> None:
    write_tenant(tmp_path, imports=FULL)
    dags = load(tmp_path)
    dags["acme__plays"].params["dry_run"] = True
    assert dags["acme__skips"].params["dry_run"] is False


def test_only_those_who_asked_are_told(tmp_path: Path) -> None:
    write_tenant(tmp_path, imports=FULL, head=HEAD)
    task = load(tmp_path)["acme__plays"].get_task("import")
    (failure,), (success,) = task.on_failure_callback, task.on_success_callback
    assert [plan.type for plan in failure.plans] == ["slack"]
    assert [plan.type for plan in success.plans] == ["log"]


_HASHES = """
import json, sys
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import DagSerialization
from airflow_provider_spotify.dag_factory import load_tenants
dags = {}
load_tenants(dags, folder=sys.argv[1])
data = {dag_id: DagSerialization.to_dict(dag) for dag_id, dag in dags.items()}
print(json.dumps({dag_id: SerializedDagModel.hash(dag) for dag_id, dag in data.items()}))
"""


@pytest.mark.slow
def test_the_same_yaml_gives_the_same_serialized_dag_in_every_process(
    tmp_path: Path, airflow_db: Path
) -> None:
    """Neither the order of sets, the time nor the folder's place may show in a DAG."""
    found = []
    for seed, name in (("1", "here"), ("4242", "there/deeper")):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for tenant in ("acme", "beta"):
            file = write_tenant(
                folder, tenant=tenant, imports=FULL, head=HEAD.replace("acme", tenant)
            )
            file.write_text(file.read_text().replace(folder.as_posix(), "/data"))
        write_broken(folder, tenant="gamma")
        broken = folder / "gamma.yaml"
        broken.write_text(broken.read_text().replace(folder.as_posix(), "/data"))
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _HASHES, str(folder)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(ran.stdout.splitlines()[-1]))
    assert sorted(found[0]) == [
        *("acme__plays", "acme__skips", "beta__plays", "beta__skips"),
        "gamma__config_error",
    ]
    assert found[0] == found[1]


def test_a_worker_reads_only_its_own_tenants_file(
    tmp_path: Path, wanted: Callable[[str], None], opened: set[str]
) -> None:
    (tmp_path / "_defaults.yaml").write_text("defaults: {pool: shared}\n")
    for number in range(20):
        write_tenant(tmp_path, tenant=f"tenant{number}", imports=FULL)
    write_broken(tmp_path, tenant="broken")
    opened.clear()
    wanted("tenant7__skips")
    assert list(load(tmp_path)) == ["tenant7__skips"]
    assert opened == {"_defaults.yaml", "tenant7.yaml"}


def test_a_worker_finds_an_import_whose_name_holds_two_underscores(
    tmp_path: Path, wanted: Callable[[str], None]
) -> None:
    write_tenant(tmp_path, imports=FULL.replace("skips:", "skips__by__day:"))
    wanted("acme__skips__by__day")
    assert list(load(tmp_path)) == ["acme__skips__by__day"]


def test_a_worker_finds_a_tenant_whose_file_has_another_name(
    tmp_path: Path, wanted: Callable[[str], None]
) -> None:
    write_tenant(tmp_path, name="customer-42.yaml")
    wanted("acme__plays")
    assert list(load(tmp_path)) == ["acme__plays"]


def test_a_worker_fails_with_the_reason_when_its_tenant_broke(
    tmp_path: Path, wanted: Callable[[str], None]
) -> None:
    from airflow_provider_spotify.core.config.problems import InvalidConfig

    write_broken(tmp_path, tenant="acme")
    wanted("acme__plays")
    with pytest.raises(InvalidConfig, match=r"acme\.yaml:\d+:\d+: .*sorce"):
        load(tmp_path)


def test_the_garbage_collector_is_on_again_after_an_error(tmp_path: Path) -> None:
    import gc

    from airflow_provider_spotify.core.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="nowhere"):
        load(tmp_path / "nowhere")
    assert gc.isenabled()


def test_a_dag_that_the_yaml_no_longer_has_is_not_built(
    tmp_path: Path, wanted: Callable[[str], None]
) -> None:
    write_tenant(tmp_path)
    wanted("acme__gone")
    assert load(tmp_path) == {}


def test_a_broken_tenant_is_shown_and_the_others_are_built(tmp_path: Path) -> None:
    write_broken(tmp_path, tenant="acme")
    write_tenant(tmp_path, tenant="beta")
    dags = load(tmp_path)
    assert sorted(dags) == ["acme__config_error", "beta__plays"]
    dag = dags["acme__config_error"]
    assert dag.schedule is None
    assert "did you mean 'source'?" in dag.doc_md
    assert str(tmp_path) not in dag.doc_md


def test_the_placeholder_fails_with_file_line_and_column(
    tmp_path: Path, run_dag: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    write_broken(tmp_path, tenant="acme")
    dag = load(tmp_path)["acme__config_error"]
    (task,) = dag.tasks
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=r"acme\.yaml:\d+:\d+: imports\.skips"):
        task.execute({})
    assert run_dag(dag).state == "failed"


def test_the_folder_comes_from_the_environment_or_lies_beside_the_dags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_spotify.dag_factory.folder import tenants_folder

    beside = str(tmp_path / "dags" / "tenants.py")
    assert tenants_folder(beside=beside) == tmp_path / "dag_configs"
    monkeypatch.setenv("AIRFLOW__SPOTIFY_IMPORTS__FOLDER", "/from/the/configuration")
    assert tenants_folder(beside=beside) == Path("/from/the/configuration")
    monkeypatch.setenv("SPOTIFY_IMPORTS_FOLDER", "/from/the/environment")
    assert tenants_folder(beside=beside) == Path("/from/the/environment")
