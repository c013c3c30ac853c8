"""What the hooks of a source share: its credentials, the source itself, and a connection test."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Credentials, Health
from airflow_provider_spotify.core.opening import open_source
from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.hooks.plans import source_plan, source_words


class SourceHook:
    """Mixed into a hook, opens the source that the hook's connection reaches.

    A subclass names the source, the attribute that holds its connection id (as Airflow's hooks
    do, ``conn_name_attr``), and the options that a connection test needs.
    """

    source_type: ClassVar[str]
    test_options: ClassVar[Mapping[str, Any]] = {}
    conn_name_attr: str
    tenant: str = "default"

    def get_credentials(self) -> Credentials:
        """Return what the connection holds; its secrets are masked in logs.

        :raises ConfigurationError: if there is no such connection
        """
        return credentials(getattr(self, self.conn_name_attr))

    def get_source(self, **options: Any) -> Source[Any]:
        """Return the source with these options (the keys of its Config); nothing is connected.

        :raises ConfigurationError: if an option is unknown or wrong
        """
        connection = getattr(self, self.conn_name_attr)
        where = f"{type(self).__name__}({connection!r})"
        plan = source_plan(self.source_type, options, connection=connection, where=where)
        return open_source(plan, tenant=self.tenant, resolve=lambda _: self.get_credentials())

    def get_partitions(self, n: int, **options: Any) -> list[dict[str, Any]]:
        """Split a read into at most ``n`` parts, each as the arguments of the source's operator.

        ``Operator.partial(...).expand_kwargs(...)`` takes them, so that many workers share a load.
        """
        parts = asyncio.run(self.get_source(**options).partitions(n))
        return [source_words(self.source_type, part.config) for part in parts]

    def get_health(self) -> Health:
        """Try the connection with the cheapest call there is."""
        return asyncio.run(self.get_source(**self.test_options).check())

    def test_connection(self) -> tuple[bool, str]:
        """Answer the Test button: whether it works, and what was found."""
        try:
            health = self.get_health()
        except ImporterError as error:
            return False, str(error)
        return health.ok, health.message
