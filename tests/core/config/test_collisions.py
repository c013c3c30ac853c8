"""No two imports write one table, and no two files describe one tenant."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_spotify.core.config.compile import load_folder
from tests.core.config.tenants import messages, write, yaml


def found(folder: Path) -> list[str]:
    return [str(p).replace(f"{folder}/", "") for p in load_folder(folder).problems]


def test_two_imports_of_a_tenant_cannot_write_one_table() -> None:
    line = "source: {type: csv, path: x}, table: t"
    text = yaml(f"  a: {{{line}}}\n  b: {{{line}}}\n")
    # what two imports may not share is a matter of the folder, not of one text
    assert messages(text) == []


def test_the_second_import_is_told_where_the_first_one_is(tmp_path: Path) -> None:
    line = "source: {type: csv, path: x}, table: t"
    write(tmp_path, acme=yaml(f"  a: {{{line}}}\n  b: {{{line}}}\n"))
    assert found(tmp_path) == [
        "acme.yaml:7:44: imports.b.table: table 't' is written by acme__a already (acme.yaml:6); "
        "give each import a table, schema or destination of its own"
    ]
    assert load_folder(tmp_path).tenants == {}


def test_a_table_named_after_its_import_collides_at_the_imports_name(tmp_path: Path) -> None:
    source = "source: {type: csv, path: x}"
    write(tmp_path, acme=yaml(f"  t: {{{source}}}\n  b: {{{source}, table: t}}\n"))
    assert found(tmp_path)[0].startswith("acme.yaml:7:44: imports.b.table: table 't' is written by")


def destination(tenant: str, text: str) -> str:
    return yaml(tenant=tenant).replace(f"path: {tenant}.duckdb", text)


@pytest.mark.parametrize("path", ["shared.duckdb", "./shared.duckdb", "x/../shared.duckdb"])
def test_tenants_of_one_duckdb_file_and_schema_collide(tmp_path: Path, path: str) -> None:
    write(
        tmp_path,
        a=destination("a", "path: shared.duckdb"),
        b=destination("b", f"path: {path}"),
        c=destination("c", "path: shared.duckdb, schema: c"),
    )
    assert list(load_folder(tmp_path).tenants) == ["a", "c"]
    assert "written by a__plays already" in found(tmp_path)[0]


def test_one_connection_with_two_schemas_does_not_collide(tmp_path: Path) -> None:
    write(tmp_path, _defaults="shared_connections: [wh]\n")
    for name in ("a", "b"):
        text = yaml(tenant=name).replace(
            f"type: duckdb, path: {name}.duckdb", f"type: postgres, connection: wh, schema: {name}"
        )
        write(tmp_path, **{name: text})
    assert list(load_folder(tmp_path).tenants) == ["a", "b"]
    write(tmp_path, c=(tmp_path / "a.yaml").read_text().replace("tenant: a", "tenant: c"))
    assert list(load_folder(tmp_path).tenants) == ["a", "b"]


def test_a_tenant_that_collides_does_not_keep_a_third_from_running(tmp_path: Path) -> None:
    line = "source: {type: csv, path: x}"
    twice = yaml(f"  p: {{{line}, table: t}}\n  q: {{{line}, table: t}}\n", tenant="a")
    once = yaml(f"  p: {{{line}, table: t}}\n", tenant="b").replace("b.duckdb", "a.duckdb")
    write(tmp_path, a=twice, b=once)
    assert list(load_folder(tmp_path).tenants) == ["b"]


def test_the_file_that_bears_the_tenants_name_has_the_better_right(tmp_path: Path) -> None:
    write(tmp_path, a_copy=yaml(), acme=yaml())
    assert found(tmp_path) == [
        "a_copy.yaml:1:9: tenant: tenant 'acme' is described by acme.yaml already"
    ]
    assert Path(load_folder(tmp_path).files["acme"]).name == "acme.yaml"
