"""The channels a notification can take: log, Slack, webhook and e-mail."""

from __future__ import annotations

import base64
import html
import logging
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.config.plans import NotifyPlan
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.notifications.message import Message
from airflow_provider_spotify.notifications.posting import TIMEOUT, post_json

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)

_SLACK = "hooks.slack.com/services"


def send(plan: NotifyPlan, *, message: Message, connection: Connection | None) -> None:
    """Send one message over one channel, and wait until it was taken.

    :param connection: the connection that the plan names; None for ``log``
    :raises ConfigurationError: if the channel lacks what it needs
    :raises ImporterError: if the receiver did not take it
    """
    if plan.type == "log":
        level = logging.INFO if message.event == "success" else logging.WARNING
        log.log(level, "%s", message.plain)
        return
    if connection is None:
        raise ConfigurationError(f"notify of type {plan.type} needs a connection; name one")
    _CHANNELS[plan.type](plan, message, connection)


def _slack(plan: NotifyPlan, message: Message, connection: Connection) -> None:
    """Post to an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""
    facts = " · ".join(f"{name} `{value}`" for name, value in message.facts.items())
    lines = [f"*{_escaped(message.title)}*", _escaped(message.text), _escaped(facts)]
    if message.link:
        lines.append(f"<{message.link}|Open the log>")
    document = {"text": "\n".join(line for line in lines if line)}
    if plan.channel:
        document["channel"] = plan.channel
    post_json(_slack_url(connection), document=document, what=f"Slack ({connection.conn_id})")


def _webhook(_: NotifyPlan, message: Message, connection: Connection) -> None:
    """Post the message as JSON; the connection's password is a bearer token, or of its login."""
    post_json(
        _base(connection) + str(connection.extra_dejson.get("endpoint", "")),
        document={**message._asdict(), "facts": dict(message.facts)},
        headers=_authorization(connection),
        what=f"webhook ({connection.conn_id})",
    )


def _email(plan: NotifyPlan, message: Message, connection: Connection) -> None:
    """Send over SMTP: TLS from the first byte on port 465, else STARTTLS where it is offered."""
    if not plan.to:
        raise ConfigurationError("notify of type email needs receivers: to: [a@b.example]")
    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["From"] = str(connection.extra_dejson.get("from_email") or connection.login or "airflow")
    mail["To"] = ", ".join(plan.to)
    mail.set_content(message.plain)
    with _smtp(connection) as server:
        server.send_message(mail)


def _smtp(connection: Connection) -> smtplib.SMTP:
    """Connect and log in; a password is only ever sent over TLS."""
    host, port = connection.host or "localhost", connection.port or 587
    tls = ssl.create_default_context()
    if port == 465:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=tls)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT)
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=tls)
            server.ehlo()
        elif connection.password:
            server.close()
            raise ConfigurationError(
                f"the mail server of {connection.conn_id} offers no TLS; the password was not sent"
            )
    if connection.login and connection.password:
        server.login(connection.login, connection.password)
    return server


def _slack_url(connection: Connection) -> str:
    """Return the webhook: whole in the password, or as Slack's own provider splits it."""
    secret = connection.password or ""
    if "://" in secret:
        return secret
    base = _base(connection) if connection.host else f"https://{_SLACK}"
    return f"{base}/{secret.lstrip('/')}"


def _base(connection: Connection) -> str:
    host = (connection.host or "").rstrip("/")
    base = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    return f"{base}:{connection.port}" if connection.port else base


def _authorization(connection: Connection) -> dict[str, str]:
    if not connection.password:
        return {}
    if not connection.login:
        return {"Authorization": f"Bearer {connection.password}"}
    pair = f"{connection.login}:{connection.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


_CHANNELS: dict[str, Callable[[NotifyPlan, Message, Any], None]] = {
    "slack": _slack,
    "webhook": _webhook,
    "email": _email,
}
