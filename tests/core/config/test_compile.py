"""Folders of YAML become plans; a broken file stays alone with its problems."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from airflow_provider_spotify.core.config.compile import find_tenant, load_folder, load_tenant
from airflow_provider_spotify.core.config.problems import InvalidConfig
from airflow_provider_spotify.core.errors import ConfigurationError
from tests.core.config.tenants import compiled, messages, one, only_import, write, yaml


def test_a_tenant_becomes_a_plan_with_the_sources_own_config() -> None:
    plan = only_import(one('schedule: "@daily"\nwrite: {mode: merge, key: [id]}'))
    assert plan.dag_id == "acme__plays"
    assert plan.source.config.path == "data/plays.csv"  # type: ignore[attr-defined]
    assert plan.schedule is not None
    assert plan.schedule.cron == "@daily"
    assert plan.table == "plays"


def test_values_are_decided_by_import_then_tenant_then_defaults_then_built_in() -> None:
    defaults = (
        "timezone: Europe/Paris\ndefaults: {retries: {attempts: 7, delay: 1s}, priority: 5}\n"
    )
    text = one("retries: {attempts: 9}", more="defaults: {retries: {delay: 2s}, tags: [a]}\n")
    plan = only_import(text, defaults=defaults)
    assert plan.retries.attempts == 9
    assert plan.retries.delay.total_seconds() == 2
    assert plan.retries.max_delay.total_seconds() == 900
    assert plan.priority == 5
    assert plan.tags == ["a"]
    assert compiled(text, defaults=defaults).timezone == "Europe/Paris"


def test_lists_replace_and_null_unsets() -> None:
    defaults = "defaults: {tags: [a, b], sla: {within: 1h}}\n"
    plan = only_import(one("tags: [c]\nsla: null"), defaults=defaults)
    assert plan.tags == ["c"]
    assert plan.sla is None


def test_a_destination_of_another_type_replaces_and_one_of_the_same_merges() -> None:
    defaults = "destination: {type: duckdb, path: all.duckdb, memory_limit: 1GB}\n"
    text = one("destination: {type: duckdb, schema: raw}").replace(
        "destination: {type: duckdb, path: acme.duckdb}\n", ""
    )
    config = only_import(text, defaults=defaults).destination.config
    assert (config.path, config.schema_, config.memory_limit) == ("all.duckdb", "raw", "1GB")  # type: ignore[attr-defined]
    other = one("destination: {type: postgres, connection: acme__pg, schema: raw}")
    assert only_import(other, defaults=defaults).destination.type == "postgres"


def test_the_tenants_name_is_filled_into_the_defaults_and_nothing_else_is() -> None:
    defaults = 'destination: {type: duckdb, path: "w/{tenant}-$HOME-{other}.duckdb"}\n'
    text = one().replace("destination: {type: duckdb, path: acme.duckdb}\n", "")
    config = only_import(text, defaults=defaults).destination.config
    assert config.path == "w/acme-$HOME-{other}.duckdb"  # type: ignore[attr-defined]


def test_a_problem_is_reported_in_the_file_that_gave_the_value() -> None:
    defaults = "privacy: {key: other__key}\n"
    assert messages(one(), defaults=defaults) == [
        "_defaults.yaml:1:16: privacy.key: connection 'other__key' is not acme's: name it "
        "acme__…, or list it under shared_connections in _defaults.yaml if every tenant may use it"
    ]
    tenants = messages(one(more="defaults: {retries: {attempts: many}}\n"))
    assert tenants == [
        "5:32: defaults.retries.attempts: expected a whole number, not 'many'",
    ]


def test_an_unknown_api_version_says_what_is_known_and_what_to_do() -> None:
    (found,) = messages("apiVersion: v2\n" + one("unknown: key"))
    assert found.startswith("1:13: apiVersion: apiVersion 'v2' is not known; this release reads v1")
    assert "install the release" in found
    assert compiled("apiVersion: v1\n" + one()).api_version == "v1"


def test_yaml_spells_the_version_in_one_way_only() -> None:
    (found,) = messages("api_version: v1\n" + one())
    assert "unknown key 'api_version'; did you mean 'apiVersion'?" in found


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("source: {type: csv, path: x, connection: rival__s3}", "source.connection"),
        ("destination: {type: duckdb, path: x, connection: rival__db}", "destination.connection"),
    ],
)
def test_a_connection_of_another_tenant_is_an_error(line: str, place: str) -> None:
    text = yaml(f"  plays:\n    source: {{type: csv, path: x}}\n    {line}\n")
    if line.startswith("source"):
        text = yaml(f"  plays:\n    {line}\n")
    (found,) = messages(text)
    assert f"imports.plays.{place}: connection 'rival__" in found


def test_connections_of_notifications_and_keys_belong_to_the_tenant_too() -> None:
    more = "notify: [{type: slack, connection: rival__slack}]\nprivacy: {key: rival__key}\n"
    assert [m.split(":")[2].strip() for m in messages(one(more=more))] == [
        "notify[0].connection",
        "privacy.key",
    ]


def test_a_shared_connection_may_be_used_by_all() -> None:
    text = one().replace("path: data/plays.csv", "path: data/plays.csv, connection: lake")
    assert len(messages(text)) == 1
    assert messages(text, defaults="shared_connections: [lake]\n") == []


@pytest.mark.parametrize("name", ["a__b", "a_"])
def test_a_tenants_name_cannot_begin_another_tenants_names(name: str) -> None:
    """Tenant ``a`` owns every connection ``a__…``, and DAG ids must not be ambiguous."""
    (found,) = messages(yaml(tenant=name))
    assert "a tenant's name holds no '__'" in found


def test_after_names_imports_and_makes_no_circle() -> None:
    source = "source: {type: csv, path: x}"
    text = yaml(
        f"  a: {{{source}, after: [c]}}\n  b: {{{source}, after: [a, nowhere]}}\n"
        f"  c: {{{source}, after: [b]}}\n  d: {{{source}, after: [d]}}\n"
    )
    found = messages(text)
    assert "6:44: imports.a.after: waits for itself: a -> c -> b -> a" in found
    assert any(
        "imports.b.after[1]: there is no import 'nowhere'; known: a, b, c, d" in m for m in found
    )
    assert any("imports.d.after: waits for itself: d -> d" in m for m in found)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            "write: {mode: merge, key: [id]}\ncontract: {exclude: [id]}",
            "left out by contract.exclude",
        ),
        ("write: {mode: scd2, key: [id]}\ncontract: {select: [a]}", "is not in contract.select"),
        (
            "quality: [{check: not_null, columns: [a, b]}]\ncontract: {exclude: [b]}",
            "imports.plays.quality[0].columns[1]: column 'b' is left out",
        ),
        (
            "quality: [{check: range, column: a, min: 0}]\ncontract: {columns: {a: {pii: drop}}}",
            "column 'a' is dropped by its pii rule",
        ),
        ("contract: {columns: {a: {required: true}}, exclude: [a]}", "column 'a' is left out"),
        ("contract: {columns: {a: {pii: hash}}}", "hash needs the tenant's key"),
        (
            "privacy: {key: acme__key}\nwrite: {mode: merge, key: [a]}\n"
            "contract: {columns: {a: {pii: encrypt}}}",
            "'a' cannot be a key: encryption gives another value each time",
        ),
        (
            "privacy: {subject: a}\ncontract: {columns: {a: {pii: redact}}}",
            "without it no row can be erased",
        ),
        ("table: plays__rejected", "does not end in __rejected"),
        (f"table: {'t' * 60}", "at most 53 characters"),
    ],
)
def test_settings_that_contradict_each_other_are_errors(settings: str, words: str) -> None:
    (found,) = messages(one(settings))
    assert words in found


def test_a_hashed_key_is_a_good_key() -> None:
    settings = "write: {mode: merge, key: [a]}\ncontract: {columns: {a: {pii: hash}}}"
    assert messages(one(settings, more="privacy: {key: acme__key}\n")) == []


def test_a_broken_file_leaves_the_other_tenants_alone(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        good=yaml(tenant="good"),
        broken="tenant: broken\nimports: [\n",
        typo=one("writ: {}").replace("acme", "typo"),
        fine=yaml(tenant="fine"),
    )
    found = load_folder(folder)
    assert list(found.tenants) == ["fine", "good"]
    assert [Path(file).name for file in found.broken] == ["broken.yaml", "typo.yaml"]
    assert found.texts["good"] == yaml(tenant="good")
    assert {Path(p.file).name for p in found.problems} == {"broken.yaml", "typo.yaml"}


def test_only_yaml_files_without_an_underscore_are_tenants(tmp_path: Path) -> None:
    folder = write(tmp_path, acme=yaml(), _draft="nonsense: [")
    (folder / "notes.txt").write_text("tenant: no")
    (folder / ".hidden.yaml").write_text("tenant: no")
    assert list(load_folder(folder).tenants) == ["acme"]
    assert load_folder(folder).problems == ()


def test_broken_defaults_are_told_once_and_nothing_is_guessed(tmp_path: Path) -> None:
    folder = write(tmp_path, _defaults="defaults: {retrys: 1}\n", a=yaml(tenant="a"))
    found = load_folder(folder)
    assert found.tenants == {}
    (problem,) = found.problems
    assert problem.message == "unknown key 'retrys'; did you mean 'retries'?"
    assert (Path(problem.file).name, problem.line, problem.column) == ("_defaults.yaml", 1, 12)
    assert [Path(file).name for file in found.broken] == ["_defaults.yaml"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tenant: acme\n", "unknown key 'tenant'"),
        ("imports: {}\n", "unknown key 'imports'"),
        ("shared_connections: [1]\n", "as a text it needs quotes"),
        ("destination: warehouse\n", "expected a mapping"),
        ("defaults: {write: {mode: mrge}}\n", "did you mean 'merge'?"),
        ("privacy: {key: 5}\n", "as a text it needs quotes"),
        ("timezone: UTC\ntimezone: UTC\n", "given twice"),
        ("notify: [{type: log, password: swordfish}]\n", "a secret may not stand in YAML"),
    ],
)
def test_what_is_wrong_with_the_defaults_alone_is_found(text: str, words: str) -> None:
    assert any(words in message for message in messages(one(), defaults=text))


def test_defaults_may_be_unfinished_where_an_import_completes_them() -> None:
    plan = only_import(one("write: {key: [id]}"), defaults="defaults: {write: {mode: merge}}\n")
    assert (plan.write.mode, list(plan.write.key)) == ("merge", ["id"])


def test_a_file_that_cannot_be_read_as_text_is_a_problem_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, good=yaml(tenant="good"))
    (tmp_path / "bytes.yaml").write_bytes(b"tenant: \xff\xfe\n")
    found = load_folder(tmp_path)
    assert list(found.tenants) == ["good"]
    assert "is not UTF-8 (byte 8)" in str(found.problems[0])


def test_a_folder_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        load_folder("nowhere/at/all")


def test_one_tenant_is_found_without_reading_the_others(tmp_path: Path) -> None:
    folder = write(tmp_path, acme=yaml(), other="tenant: [broken")
    assert find_tenant(folder, tenant="acme").tenant == "acme"


def test_a_tenant_in_a_file_of_another_name_is_found_too(tmp_path: Path) -> None:
    folder = write(tmp_path, zebra=yaml(tenant="acme"), other="tenant: [broken")
    assert find_tenant(folder, tenant="acme").tenant == "acme"
    with pytest.raises(ConfigurationError, match="describes a tenant 'nobody'"):
        find_tenant(folder, tenant="nobody")


def test_a_broken_text_raises_with_all_of_its_problems() -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_tenant(one("writ: {}\nsla: {}"), name="a.yaml")
    assert len(caught.value.problems) == 2
    assert str(caught.value).count("a.yaml:") == 2


def test_an_empty_tenant_names_what_it_lacks() -> None:
    found = messages("tenant: acme\n")
    assert any("names no import" in m for m in found)
    assert any("'owner' is missing" in m for m in found)


def test_a_thousand_tenants_compile_within_ten_milliseconds_each(tmp_path: Path) -> None:
    """Measured 1.9 ms a tenant of three imports on one of two shared cores (2026-11)."""
    imports = "".join(
        f"  {name}:\n    source: {{type: csv, path: data/{name}.csv}}\n"
        "    write: {mode: merge, key: [id]}\n"
        '    schedule: "@daily"\n'
        "    contract: {columns: {id: {type: string, required: true}, email: {pii: redact}}}\n"
        "    quality: [{check: unique, columns: [id]}, {check: not_null, columns: [id]}]\n"
        for name in ("plays", "tracks", "artists")
    )
    texts = {f"t{n}": yaml(imports, tenant=f"t{n}") for n in range(200)}
    folder = write(tmp_path, **texts)
    load_folder(folder)
    spent = []
    for _ in range(3):  # a collection of all that other tests left may fall into one of them
        began = time.thread_time()
        assert len(load_folder(folder).tenants) == 200
        spent.append(time.thread_time() - began)
    assert min(spent) / 200 < 0.010
