"""Source ``graphql``: the records of any GraphQL API's query, page by page.

Over HTTP as in https://graphql.github.io/graphql-over-http/draft/. What is read is data: the query
and its variables, the place of the records in the answer, the pagination, and the variable that
asks for what is new. Secrets are in the connection, never here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import orjson
from pydantic import TypeAdapter, ValidationError

from airflow_provider_spotify.core.clients.http.settings import BaseUrl
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    MissingDependency,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Window
from airflow_provider_spotify.core.sources.api._graphql_config import GraphqlConfig
from airflow_provider_spotify.core.sources.api._graphql_pages import in_body
from airflow_provider_spotify.core.sources.web.base import WebSource
from airflow_provider_spotify.core.sources.web.pages import dig
from airflow_provider_spotify.core.sources.web.progress import Slice
from airflow_provider_spotify.core.sources.web.resource import (
    Bounds,
    Call,
    Newest,
    Progress,
    Resource,
    Whole,
)
from airflow_provider_spotify.core.sources.web.signing import BearerConfig, sign_in

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.clients.http.auth import Auth
    from airflow_provider_spotify.core.clients.http.client import HttpClient, Response, Told
    from airflow_provider_spotify.core.clients.json_arrow import JsonArrow
    from airflow_provider_spotify.core.sources.api._graphql_query import Query
    from airflow_provider_spotify.core.sources.api._graphql_types import Shape
    from airflow_provider_spotify.core.sources.web.rows import Record, Reject

_ACCEPT = "application/graphql-response+json, application/json;q=0.9"


class GraphqlSource(WebSource[GraphqlConfig]):
    """Reads the records of one GraphQL query."""

    Config = GraphqlConfig
    conn_type: ClassVar[str | None] = "graphql"
    extra: ClassVar[str | None] = "api"
    resources: ClassVar[Mapping[str, Resource]] = {}
    api_url = ""
    _typed: Mapping[str, Shape] | None = None
    _inferred: JsonArrow

    def sign_in(self) -> Auth | None:
        """Return what signs the requests; a password alone is a bearer token."""
        config, credentials = self.config.auth, self.credentials
        if config is None and credentials.secret() and not credentials.login:
            config = BearerConfig(kind="bearer")
        return sign_in(config, credentials)

    @property
    def base_url(self) -> str:
        """The endpoint: of the config, else of the connection.

        :raises ConfigurationError: if neither has one
        """
        host = self.config.api_url or self.credentials.host
        if not host:
            raise ConfigurationError("graphql: neither api_url nor the connection's host is set")
        address = host if "://" in host else f"https://{host}"
        try:
            return TypeAdapter(BaseUrl).validate_python(address)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            raise ConfigurationError(f"graphql: the host is no address: {said}") from None

    def dataset(self) -> DatasetName:
        """Name the endpoint and the path of the records."""
        parts = urlsplit(self.base_url)
        return DatasetName(
            f"{parts.scheme}://{parts.netloc}", f"{parts.path}/{self.config.records}"
        )

    @cached_property
    def resource(self) -> Resource:
        """What the config says, as the kit wants it."""
        config = self.config
        return Resource(
            "",
            (),
            config.resource,
            records=f"data.{config.records}",
            pages=in_body(config.pagination, records=config.records),
            progress=self._progress(),
            params=config.variables,
            method=config.method,
            key="keys" if config.key else None,
            identity=config.identity,
        )

    def _progress(self) -> Progress:
        new = self.config.incremental
        if new is None:
            return Whole()
        if new.format == "value":
            return Newest(Bounds(""), id=new.field, since_id=new.variable, ordered=False)
        bounds = Bounds(new.field, new.variable, new.end_variable, new.format)
        return Newest(bounds, ordered=False)

    @cached_property
    def _query(self) -> Query:
        try:
            from airflow_provider_spotify.core.sources.api._graphql_query import Query
        except ImportError:
            raise MissingDependency("graphql-core", extra="api") from None
        return Query(self.config.query, operation=self.config.operation_name)

    def call(self, now: Slice, position: Any, *, asked: Any, room: int | None) -> Call:
        """Return the query with the variables of a page."""
        resource, key = self.resource, self.config.key
        variables = {
            **resource.params,
            **self.bounds(now, asked),
            **resource.pages.params(position, room=room),
            **({key: self._typed_key(key, now.key)} if key else {}),
        }
        return self._call(self.config.query, variables, operation=self.config.operation_name)

    def _call(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation: str | None = None,
    ) -> Call:
        sent: dict[str, Any] = {"query": query}
        if variables:
            sent["variables"] = variables
        if operation:
            sent["operationName"] = operation
        headers = {"Accept": _ACCEPT, **self.config.headers}
        if self.config.method == "POST":
            return Call("", method="POST", json=sent, headers=headers)
        texts = {k: v if isinstance(v, str) else orjson.dumps(v).decode() for k, v in sent.items()}
        return Call("", texts, headers=headers)

    def _typed_key(self, name: str, key: str) -> Any:
        """Return a key as the variable's type wants it; a list's digits are text in a cursor."""
        kind = self._query.type_of(name)
        try:
            return {"Int": int, "Float": float}.get(kind, str)(key)
        except ValueError:
            raise ConfigurationError(f"keys: {key!r} is no {kind}, which ${name} is") from None

    def classify(self, response: Response) -> ImporterError | None:
        """Name the error that a body holds, whatever its status."""
        from airflow_provider_spotify.core.sources.api._graphql_errors import named, only_errors

        body, root = _json(response), self.config.records.partition(".")[0]
        error = named(body, root=root)
        if isinstance(error, TransientError) and error.retry_after is None:
            error.retry_after = self._wait(response)
        if error is None and response.status < 400 and (said := only_errors(body, root=root)):
            return DataError(f"{self.config.resource}: {said}")
        return error

    def _wait(self, response: Response) -> float | None:
        """Return how long the headers, or what is left of a limit, ask to wait."""
        from airflow_provider_spotify.core.clients.http.errors import retry_after

        told = self.learn(response)
        asked = retry_after(response.headers)
        return told.reset if asked is None and told and told.spent else asked

    def learn(self, response: Response) -> Told | None:
        """Read the cost of a query and what is left, in the body or else in the headers."""
        from airflow_provider_spotify.core.sources.api._graphql_errors import learned

        return learned(_json(response), quota=self.config.quota) or super().learn(response)

    def records(self, body: Any, now: Slice) -> Sequence[Mapping[str, Any] | None]:
        """Return the records; None for one that an error is in."""
        return self._sorted(body, now)[0]

    def rejected(self, body: Any, now: Slice) -> Sequence[Reject]:
        """Return the records that an error is in."""
        return self._sorted(body, now)[1]

    def _sorted(self, body: Any, now: Slice) -> tuple[Sequence[Any], Sequence[Reject]]:
        from airflow_provider_spotify.core.clients.http.errors import NotFound
        from airflow_provider_spotify.core.sources.api._graphql_errors import sorted_out, told

        where = f"{self.config.resource} {now.key}".rstrip()
        if not isinstance(body, Mapping) or not isinstance(body.get("data"), Mapping):
            said = told(body) or "the answer holds no data; check api_url"
            raise DataError(f"{where}: {said}")
        if body.get("errors") and self.config.partial_errors == "fail":
            raise DataError(
                f"{where}: {told(body)}; partial_errors: reject would reject that record alone"
            )
        path = self.config.records.split(".")
        answer = sorted_out(body, path=path, found=self._pick(body), where=where)
        if not answer.records and (gone := _gone(body["data"], path)):
            raise NotFound(f"{where}: {gone} is null; check the variables")
        return answer.records, answer.rejected

    def context(self, now: Slice, page: Any) -> Mapping[str, Any]:
        """Return the key, as its column holds it."""
        key = self.config.key
        return {"key": self._typed_key(key, now.key)} if key else {}

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield chunks, typed by the endpoint's schema where it shows one."""
        from airflow_provider_spotify.core.clients.json_arrow import JsonArrow

        self._inferred = JsonArrow()
        self._timed(window)
        if self.config.introspect is not False:
            self._typed = await self._introspected()
        async with aclosing(super().read(since, window)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    async def _introspected(self) -> Mapping[str, Shape] | None:
        """Return the columns' types; None where the endpoint does not show its schema."""
        query = self._query
        from airflow_provider_spotify.core.sources.api._graphql_types import INTROSPECTION, Schema

        async with self.client() as http:
            try:
                body = await self._asked(http, INTROSPECTION)
                if not isinstance(dig(body, "data.__schema.types"), list):
                    raise DataError("graphql: the endpoint does not show its schema")
            except (ConfigurationError, DataError, ForbiddenError):
                if self.config.introspect:
                    raise
                return None
        return Schema(body, self.config.scalars).columns(query, self.config.records.split("."))

    async def _asked(self, http: HttpClient, query: str) -> Any:
        call = self._call(query)
        response = await http.request(
            call.method,
            call.url,
            params=call.params,
            json=call.json,
            headers=call.headers,
            idempotent=True,
            is_json=True,
        )
        return response.json()

    def rows(
        self, records: Sequence[Record], rejected: Sequence[Reject]
    ) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
        """Build the batch of some records; types come from the schema, else from the values."""
        from airflow_provider_spotify.core.sources.api._graphql_types import rows, with_key
        from airflow_provider_spotify.core.sources.web.rows import rejected as rejects

        column = self.config.key_column or self.config.key
        if self._typed is None:
            added = [{column: r.context["key"], **r.body} if column else r.body for r in records]
            return self._inferred.batch(added), rejects(rejected)
        batch, misfits = rows(self._typed, records)
        bad = {id(each.record) for each in misfits}
        if column:
            keys = [r.context["key"] for r in records if id(r.body) not in bad]
            batch = with_key(batch, column, keys, kind=self._query.type_of(self.config.key or ""))
        return batch, rejects([*rejected, *misfits])

    async def _checked(self) -> str:
        """Ask for nothing but a type's name."""
        async with self.client() as http:
            body = await self._asked(http, "{__typename}")
        if not dig(body, "data.__typename"):
            raise AuthenticationError("the endpoint answers, but not as GraphQL does; check host")
        return f"{self.dataset().namespace} answers and accepts the credentials"

    def _timed(self, window: Window | None) -> None:
        super()._timed(window)
        new = self.config.incremental
        if window is not None and new is not None and new.format == "value":
            raise ConfigurationError(
                f"graphql: {new.field} is no time to select a window by; leave the window out "
                "(incremental: {by: cursor})"
            )


def _json(response: Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _gone(data: Any, path: Sequence[str]) -> str | None:
    """Return the first part of the way to the records that is null."""
    for at, name in enumerate(path):
        if not isinstance(data, Mapping) or isinstance(data.get(name), list):
            return None
        data = data.get(name)
        if data is None:
            return ".".join(path[: at + 1])
    return None


SOURCE = GraphqlSource
