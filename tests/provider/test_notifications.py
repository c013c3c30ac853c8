"""Notifications: over real HTTP and SMTP, without secrets, and never in each other's way."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_spotify.core.errors import ConfigurationError, QualityViolation
from tests.services.http_server import Fault, HttpServer, redirect
from tests.services.smtp_server import SmtpServer

TI = SimpleNamespace(
    dag_id="acme__plays",
    run_id="manual__1",
    task_id="import",
    try_number=3,
    log_url="https://airflow.example/dags/acme__plays/runs/manual__1",
)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        server.answers["/hook"] = {"ok": True}
        yield server


def notifier(*plans: dict[str, Any], on: str = "failure") -> Any:
    from airflow_provider_spotify.notifications.notifier import ImportNotifier

    return ImportNotifier(on=on, tenant="acme", import_name="plays", notify=plans)


def context(error: BaseException | None = None) -> dict[str, Any]:
    return {"ti": TI, "run_id": "manual__1", "exception": error}


def bodies(server: HttpServer, path: str = "/hook") -> list[Any]:
    return [json.loads(seen.body) for seen in server.asked(path)]


def test_slack_gets_the_reason_the_channel_and_a_link(
    server: HttpServer, connection: Callable[..., str]
) -> None:
    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    plan = {"type": "slack", "connection": "acme__slack", "channel": "#acme"}
    notifier(plan)(context(QualityViolation("unique(id) failed: 3 rows <b>")))
    (body,) = bodies(server)
    assert body["channel"] == "#acme"
    assert body["text"].startswith(
        "*Import plays of acme failed*\nunique(id) failed: 3 rows &lt;b&gt;"
    )
    assert f"<{TI.log_url}|Open the log>" in body["text"]


def test_slack_takes_host_and_token_as_airflows_own_connection_splits_them(
    server: HttpServer, connection: Callable[..., str]
) -> None:
    server.answers["/services/T0/B0/secret"] = {"ok": True}
    connection(
        "acme__slack",
        conn_type="slackwebhook",
        schema="http",
        host="127.0.0.1",
        port=server.port,
        password="services/T0/B0/secret",
    )
    notifier({"type": "slack", "connection": "acme__slack"})(context())
    assert len(server.asked("/services/T0/B0/secret")) == 1


def test_a_webhook_gets_the_whole_message_and_a_bearer_token(
    server: HttpServer, connection: Callable[..., str]
) -> None:
    connection(
        "acme__hook",
        conn_type="http",
        host=server.url,
        password="t0ken",
        extra=json.dumps({"endpoint": "/hook"}),
    )
    notifier({"type": "webhook", "connection": "acme__hook"})(context(QualityViolation("no")))
    (seen,) = server.asked("/hook")
    assert seen.headers["Authorization"] == "Bearer t0ken"
    body = json.loads(seen.body)
    assert (body["event"], body["text"]) == ("failure", "no")
    assert body["facts"] == {
        "dag": "acme__plays",
        "run": "manual__1",
        "task": "import",
        "attempt": "3",
    }


def test_email_goes_to_everyone_listed(connection: Callable[..., str]) -> None:
    with SmtpServer() as server:
        connection(
            "acme__smtp",
            conn_type="smtp",
            host="127.0.0.1",
            port=server.port,
            extra=json.dumps({"from_email": "airflow@acme.example"}),
        )
        plan = {
            "type": "email",
            "connection": "acme__smtp",
            "to": ["a@acme.example", "b@x.example"],
        }
        notifier(plan)(context(QualityViolation("älä")))
        (mail,) = server.mails
    assert mail["To"] == "a@acme.example, b@x.example"
    assert mail["From"] == "airflow@acme.example"
    assert mail["Subject"] == "Import plays of acme failed"
    assert "älä" in mail.get_content()


def test_a_mail_password_is_never_sent_without_tls(
    connection: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    with SmtpServer() as server:
        connection(
            "acme__smtp",
            conn_type="smtp",
            host="127.0.0.1",
            port=server.port,
            login="me",
            password="hunter2",
        )
        notifier({"type": "email", "connection": "acme__smtp", "to": ["a@acme.example"]})(context())
        said = " ".join(server.commands)
        assert server.mails == []
    assert "AUTH" not in said
    assert "no TLS" in caplog.text


def test_only_the_plans_that_asked_for_the_event_are_told(
    server: HttpServer, connection: Callable[..., str]
) -> None:
    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    quiet = {"type": "slack", "connection": "acme__slack", "on": ["sla"]}
    loud = {"type": "slack", "connection": "acme__slack", "on": ["success"], "channel": "#loud"}
    notifier(quiet, loud, on="success")(context())
    assert [body["channel"] for body in bodies(server)] == ["#loud"]


def test_a_channel_that_fails_does_not_silence_the_next(
    server: HttpServer, connection: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    connection("acme__gone", conn_type="slackwebhook", password=f"{server.url}/gone?key=hush")
    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    notifier(
        {"type": "slack", "connection": "acme__missing"},
        {"type": "slack", "connection": "acme__gone"},
        {"type": "slack", "connection": "acme__slack"},
    )(context())
    assert len(bodies(server)) == 1
    assert "Slack (acme__gone) answered HTTP 404" in caplog.text
    assert "hush" not in caplog.text


def test_a_busy_receiver_is_asked_three_times(
    server: HttpServer, connection: Callable[..., str]
) -> None:
    server.plan("/hook", Fault(503), Fault(429))
    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    notifier({"type": "slack", "connection": "acme__slack"})(context())
    assert len(server.asked("/hook")) == 3


def test_a_redirect_is_refused_so_that_no_token_travels(
    server: HttpServer, connection: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    server.plan("/hook", redirect(f"{server.other_url}/elsewhere", 307))
    connection("acme__hook", conn_type="http", host=f"{server.url}/hook", password="t0ken")
    notifier({"type": "webhook", "connection": "acme__hook"})(context())
    assert server.asked("/elsewhere") == []
    assert "HTTP 307" in caplog.text


def test_plain_http_is_for_this_machine_only() -> None:
    from airflow_provider_spotify.notifications.posting import post_json

    with pytest.raises(ConfigurationError, match="https") as caught:
        post_json("http://hooks.example/secret", document={}, what="Slack (acme__slack)")
    assert "secret" not in str(caught.value)


def test_an_error_of_a_driver_is_told_by_its_kind_only(
    server: HttpServer, connection: Callable[..., str]
) -> None:
    """A driver may quote the address it was given, password and all."""
    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    error = OSError("cannot connect to postgres://me:hunter2@db")
    notifier({"type": "slack", "connection": "acme__slack"})(context(error))
    (body,) = bodies(server)
    assert "hunter2" not in body["text"]
    assert "OSError" in body["text"]


def test_a_secret_that_airflow_knows_is_masked(
    server: HttpServer, connection: Callable[..., str]
) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("correct-horse-battery")
    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    error = QualityViolation("the value correct-horse-battery is not in the set")
    notifier({"type": "slack", "connection": "acme__slack"})(context(error))
    (body,) = bodies(server)
    assert "correct-horse-battery" not in body["text"]
    assert "***" in body["text"]


def test_the_log_is_a_channel(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        notifier({"type": "log"})(context(QualityViolation("three rows")))
    assert "Import plays of acme failed" in caplog.text
    assert "three rows" in caplog.text


async def test_all_channels_are_told_at_once_from_the_triggerer(
    server: HttpServer, connection: Callable[..., str]
) -> None:
    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    told = notifier(*[{"type": "slack", "connection": "acme__slack"}] * 3)
    told.context = context()
    await told
    assert len(bodies(server)) == 3


def test_a_failed_task_tells_once_and_its_retries_do_not(
    server: HttpServer, connection: Callable[..., str], run_dag: Callable[..., Any]
) -> None:
    """The notifier hangs on the task: it is called when the last attempt has failed."""
    from airflow.sdk import DAG, BaseOperator

    class Fails(BaseOperator):
        def execute(self, context: Any) -> None:
            raise QualityViolation("unique(id) failed: 3 rows")

    connection("acme__slack", conn_type="slackwebhook", password=f"{server.url}/hook")
    plan = {"type": "slack", "connection": "acme__slack"}
    with DAG("acme__told", schedule=None) as dag:
        Fails(task_id="import", on_failure_callback=notifier(plan))
    assert run_dag(dag).state == "failed"
    (body,) = bodies(server)
    assert "unique(id) failed: 3 rows" in body["text"]
