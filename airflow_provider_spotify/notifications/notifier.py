"""The notifier that an import's tasks call when they fail or succeed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseHook, BaseNotifier
from airflow.sdk.log import redact  # type: ignore[attr-defined]

from airflow_provider_spotify.core.config.plans import NotifyPlan
from airflow_provider_spotify.notifications import message as messages
from airflow_provider_spotify.notifications.channels import send
from airflow_provider_spotify.notifications.message import Message

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class ImportNotifier(BaseNotifier):
    """Tell everyone that ``notify`` lists; one channel that fails does not silence the others.

    :param on: which news this notifier brings
    :param tenant: whose import it is
    :param import_name: which import
    :param notify: the channels; those that did not ask for ``on`` are left out
    """

    def __init__(
        self,
        *,
        on: Literal["failure", "success"],
        tenant: str,
        import_name: str,
        notify: Sequence[NotifyPlan | Mapping[str, Any]],
    ) -> None:
        super().__init__()
        self.on = on
        self.tenant = tenant
        self.import_name = import_name
        self.plans = wanting(on, notify=notify)

    def notify(self, context: Context) -> None:
        """Send the news of this context, one channel after the other."""
        news = self._message(context)
        for plan in self.plans:
            connection = _connection(plan)
            _deliver(plan, news=news, connection=connection)

    async def async_notify(self, context: Context) -> None:
        """Send the news of this context without blocking the event loop."""
        await tell(self.plans, news=self._message(context))

    def _message(self, context: Context) -> Message:
        describe = messages.failed if self.on == "failure" else messages.succeeded
        return describe(context, tenant=self.tenant, import_name=self.import_name)


def wanting(
    event: messages.Event, *, notify: Sequence[NotifyPlan | Mapping[str, Any]]
) -> list[NotifyPlan]:
    """Return the plans that asked for this event."""
    plans = [p if isinstance(p, NotifyPlan) else NotifyPlan.model_validate(p) for p in notify]
    return [plan for plan in plans if event in plan.on]


async def tell(plans: Sequence[NotifyPlan], *, news: Message) -> None:
    """Send one message over all channels at once, each in a thread."""

    async def one(plan: NotifyPlan) -> None:
        connection = await _aconnection(plan)
        await asyncio.to_thread(_deliver, plan, news=news, connection=connection)

    await asyncio.gather(*(one(plan) for plan in plans))


def _deliver(plan: NotifyPlan, *, news: Message, connection: Any) -> None:
    """Send, with every secret Airflow knows masked; a failure is logged and goes no further."""
    masked = news._replace(text=str(redact(news.text)))
    try:
        send(plan, message=masked, connection=connection)
    except Exception as error:
        log.warning("%s was not notified: %s", plan.type, redact(str(error)))


def _connection(plan: NotifyPlan) -> Any:
    if plan.connection is None:
        return None
    try:
        return BaseHook.get_connection(plan.connection)
    except Exception as error:
        log.warning("connection %s cannot be had: %s", plan.connection, type(error).__name__)
        return None


async def _aconnection(plan: NotifyPlan) -> Any:
    if plan.connection is None:
        return None
    try:
        return await BaseHook.aget_connection(plan.connection)
    except Exception as error:
        log.warning("connection %s cannot be had: %s", plan.connection, type(error).__name__)
        return None
