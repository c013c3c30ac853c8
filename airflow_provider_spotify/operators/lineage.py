"""Says a load's lineage in OpenLineage's words: https://openlineage.io/docs/spec/facets/."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_spotify.core.lineage import naming
from airflow_provider_spotify.core.lineage.facts import ColumnFact, LineageFacts
from airflow_provider_spotify.core.model import CheckResult, ColumnProfile, DatasetName

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

Facets: TypeAlias = Iterator[tuple[str, Any]]


def emit(facts: LineageFacts, *, owner: str) -> OperatorLineage[Any, Any]:
    """Build what Airflow sends to a lineage backend, at the start of a load or after it."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset

    source, destination = facts.source, facts.destination
    read = InputDataset(
        namespace=source.namespace,
        name=source.name,
        facets=dict(_common(facts, source)),
        inputFacets=dict(_input(facts)),
    )
    written = OutputDataset(
        namespace=destination.namespace,
        name=destination.name,
        facets={
            **dict(_common(facts, destination)),
            **dict(_table(facts, owner=owner)),
        },
        outputFacets=dict(_output(facts)),
    )
    return OperatorLineage(inputs=[read], outputs=[written])


def _common(facts: LineageFacts, name: DatasetName) -> Facets:
    from openlineage.client.facet_v2 import dataset_type_dataset, datasource_dataset

    yield "datasetType", dataset_type_dataset.DatasetTypeDatasetFacet(datasetType=naming.kind(name))
    place = datasource_dataset.DatasourceDatasetFacet(name=name.namespace, uri=naming.uri(name))
    yield "dataSource", place
    yield "tags", _tags(facts, columns=() if name == facts.source else facts.columns)


def _tags(facts: LineageFacts, *, columns: Sequence[ColumnFact]) -> Any:
    from openlineage.client.facet_v2 import tags_dataset

    tag = partial(tags_dataset.TagsDatasetFacetFields, source="AIRFLOW")
    personal = [column for column in columns if column.personal]
    return tags_dataset.TagsDatasetFacet(
        tags=[
            tag(key="tenant", value=facts.tenant),
            tag(key="import", value=facts.import_name),
            *(tag(key="pii", value=c.masking or "clear", field=c.name) for c in personal),
        ]
    )


def _table(facts: LineageFacts, *, owner: str) -> Facets:
    from openlineage.client.facet_v2 import (
        column_lineage_dataset,
        data_quality_metrics_dataset,
        dataset_version_dataset,
        lifecycle_state_change_dataset,
        ownership_dataset,
        schema_dataset,
    )

    owners = [ownership_dataset.Owner(name=owner, type="OWNER")]
    yield "ownership", ownership_dataset.OwnershipDatasetFacet(owners=owners)
    if facts.write_mode == "replace":
        change = lifecycle_state_change_dataset.LifecycleStateChange.OVERWRITE
        facet = lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(change)
        yield "lifecycleStateChange", facet
    if facts.columns:
        yield "schema", schema_dataset.SchemaDatasetFacet(fields=[*_schema(facts)])
        yield (
            "columnLineage",
            column_lineage_dataset.ColumnLineageDatasetFacet(
                fields={column.name: _origin(facts, column) for column in facts.columns},
                dataset=[
                    _read(facts, name, kind="INDIRECT", subtype="FILTER")
                    for name in facts.filtered_by
                ],
            ),
        )
    if report := facts.report:
        version = dataset_version_dataset.DatasetVersionDatasetFacet(str(report.load_id))
        yield "version", version
        yield (
            "dataQualityMetrics",
            data_quality_metrics_dataset.DataQualityMetricsDatasetFacet(
                rowCount=report.rows,
                bytes=report.bytes,
                lastUpdated=report.finished_at.isoformat(),
                columnMetrics={profile.name: _metrics(profile) for profile in facts.metrics()},
            ),
        )


def _schema(facts: LineageFacts) -> Iterator[Any]:
    from openlineage.client.facet_v2 import schema_dataset

    for position, column in enumerate(facts.columns, start=1):
        yield schema_dataset.SchemaDatasetFacetFields(
            name=column.name,
            type=column.type,
            description=column.description,
            ordinal_position=position,
        )


def _origin(facts: LineageFacts, column: ColumnFact) -> Any:
    from openlineage.client.facet_v2 import column_lineage_dataset

    subtype = "TRANSFORMATION" if column.masking else "IDENTITY"
    field = _read(facts, column.source_field, subtype=subtype, masking=column.masking)
    return column_lineage_dataset.Fields(inputFields=[field])


def _read(
    facts: LineageFacts,
    field: str,
    *,
    kind: str = "DIRECT",
    subtype: str,
    masking: str | None = None,
) -> Any:
    from openlineage.client.facet_v2 import column_lineage_dataset

    change = column_lineage_dataset.Transformation(
        type=kind, subtype=subtype, description=masking or "", masking=masking is not None
    )
    return column_lineage_dataset.InputField(
        namespace=facts.source.namespace,
        name=facts.source.name,
        field=field,
        transformations=[change],
    )


def _metrics(profile: ColumnProfile) -> Any:
    from openlineage.client.facet_v2 import data_quality_metrics_dataset

    quantiles = profile.quantiles or ()
    return data_quality_metrics_dataset.ColumnMetrics(
        nullCount=profile.nulls,
        distinctCount=profile.distinct,
        min=profile.min,
        max=profile.max,
        quantiles={
            f"{(i + 1) / (len(quantiles) + 1):g}": value for i, value in enumerate(quantiles)
        },
    )


def _input(facts: LineageFacts) -> Facets:
    from openlineage.client.facet_v2 import (
        data_quality_assertions_dataset,
        input_statistics_input_dataset,
    )

    if report := facts.report:
        yield (
            "inputStatistics",
            input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                rowCount=report.rows + report.rejected
            ),
        )
    if checks := facts.checks():
        yield (
            "dataQualityAssertions",
            data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
                assertions=[assertion for check in checks for assertion in _assertions(check)]
            ),
        )


def _assertions(check: CheckResult) -> Iterator[Any]:
    """Yield one assertion per column, as the specification counts them."""
    from openlineage.client.facet_v2 import data_quality_assertions_dataset

    for column in check.columns or (None,):
        yield data_quality_assertions_dataset.Assertion(
            assertion=check.check,
            success=check.passed,
            column=column,
            severity=check.severity,
            actual=f"{check.failed_rows} rows failed" if check.failed_rows else None,
        )


def _output(facts: LineageFacts) -> Facets:
    from openlineage.client.facet_v2 import output_statistics_output_dataset

    if report := facts.report:
        yield (
            "outputStatistics",
            output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                rowCount=report.rows, size=report.bytes
            ),
        )
