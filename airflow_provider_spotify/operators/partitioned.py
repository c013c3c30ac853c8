"""Lets many workers share one load: a task that splits it, one per part, one that publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.operators.base import ImportOperator

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import MappedOperator

_OF_PUBLISHING = ("outlets", "on_success_callback", "skip_if_empty")
"""What is said of the load as a whole."""


class Partitioned(NamedTuple):
    """The tasks of a shared load, in their order."""

    split: ImportOperator
    parts: MappedOperator
    publish: ImportOperator


def partitioned(
    operator: type[ImportOperator], *, task_id: str, partitions: int, **words: Any
) -> Partitioned:
    """Build the tasks of one load that ``partitions`` workers share.

    The parts stay invisible until the last task shows all of them at once, so a part that fails
    is tried again alone, and nobody ever sees half a load::

        tasks = partitioned(PostgresqlImportOperator, task_id="plays", partitions=8,
                            table="plays", destination="warehouse", ...)
        wait >> tasks.split

    :param operator: the operator of the source; ``words`` are its arguments
    :param partitions: how many parts at most; a source may find fewer
    """
    words.setdefault("import_name", task_id)
    whole = {name: words.pop(name) for name in _OF_PUBLISHING if name in words}
    words |= {"partitions": partitions}
    split = operator(task_id=f"{task_id}_split", step="split", **words)
    mapped = operator.partial(task_id=task_id, step="part", **words).expand(part=split.output)
    publish = operator(
        task_id=f"{task_id}_publish", step="publish", reports=mapped.output, **words, **whole
    )
    return Partitioned(split, mapped, publish)
