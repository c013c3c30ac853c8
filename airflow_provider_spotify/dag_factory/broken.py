"""The DAG that stands in for a tenant whose YAML has errors, so that the UI shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

SUFFIX = "__config_error"


class ConfigErrorOperator(BaseOperator):
    """Fail with the problems of a tenant's YAML.

    :param problems: one text per problem, ``file:line:column: key: what is wrong``
    """

    ui_color = "#f4b6b6"

    def __init__(self, *, problems: Sequence[str], **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.problems = list(problems)

    def execute(self, context: Context) -> None:
        """Fail at once: only a change of the YAML can help.

        :raises AirflowFailException: always
        """
        raise AirflowFailException("\n".join(self.problems))


def placeholder(tenant: str, *, problems: Sequence[str]) -> DAG:
    """Return the DAG ``<tenant>__config_error``: no schedule, one task that says what is wrong.

    :param tenant: the name of the YAML file, as its ``tenant:`` may be what is wrong
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", tenant)
    listed = "\n".join(f"    {line}" for text in problems for line in text.splitlines())
    dag = DAG(
        f"{name}{SUFFIX}",
        description=f"The YAML of {tenant} has errors; its imports are not built",
        schedule=None,
        tags=[f"tenant:{name}"[:100], "config_error"],
        doc_md=f"### The YAML of {tenant} has errors\n\nMend them; the DAGs follow.\n\n{listed}\n",
        max_active_runs=1,
    )
    ConfigErrorOperator(task_id="config_error", problems=problems, retries=0, dag=dag)
    return dag
