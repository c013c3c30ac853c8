"""The YAML keys of the source ``graphql``, checked against the query's own text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from airflow_provider_spotify.core.model import Frozen
from airflow_provider_spotify.core.sources.api._graphql_pages import (
    GraphqlPagination,
    Relay,
    beside,
    variables_of,
)
from airflow_provider_spotify.core.sources.web.columns import ColumnType
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.pages import NoPages
from airflow_provider_spotify.core.sources.web.signing import AuthConfig

SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|api-?key", re.IGNORECASE)


class GraphqlIncremental(Frozen):
    """Which variable asks for what is new, and which field of a record says how new it is."""

    variable: str = Field(description="variable that takes the lower bound")
    field: str = Field(description="path of the time, or of a rising whole number, in a record")
    format: str = Field(
        "iso",
        description="how the bound is written: iso, date, epoch, epoch_ms, value (a whole number)"
        " or a strftime pattern",
    )
    end_variable: str | None = Field(None, description="variable that takes a window's end")


class GraphqlConfig(WebConfig):
    """The keys of ``source: {type: graphql, …}``."""

    resource: str = Field("records", description="a name for what is read, in messages")
    query: str = Field(description="text of the query; what it selects decides the columns")
    operation_name: str | None = Field(None, description="which of the text's operations")
    variables: Mapping[str, Any] = Field(default_factory=dict, description="never a secret")
    records: str = Field(
        description="path of the records below data; lists are walked through",
        examples=["repository.issues.nodes", "orders.edges.node"],
    )
    pagination: GraphqlPagination = Field(
        NoPages(kind="none"), description="how pages follow; its parameters are variables"
    )
    key: str | None = Field(None, description="variable that takes each of keys, one by one")
    keys: tuple[str, ...] = Field((), description="what is read one after the other")
    key_column: str | None = Field(
        None, description="column that the key is written to; by default the variable's name"
    )
    incremental: GraphqlIncremental | None = Field(None, description="how to ask for what is new")
    identity: tuple[str, ...] = Field(
        (), description="fields that tell records apart, where pages may shift", examples=[["id"]]
    )
    partial_errors: Literal["fail", "reject"] = Field(
        "fail", description="what an error within a record does: fail, or reject that record"
    )
    introspect: bool | None = Field(
        None,
        description="type the columns by the endpoint's schema; by default where it shows one,"
        " else by the values",
    )
    scalars: Mapping[str, ColumnType] = Field(
        default_factory=dict,
        description="column types of custom scalars",
        examples=[{"Money": "double"}],
    )
    quota: str | None = Field(
        None,
        description="path below data of an object with cost, remaining and resetAt",
        examples=["rateLimit"],
    )
    method: Literal["GET", "POST"] = Field("POST", description="GET can be cached")
    headers: Mapping[str, str] = Field(default_factory=dict, description="never a secret")
    auth: AuthConfig | None = Field(
        None, description="by default the connection's password is a bearer token"
    )

    @field_validator("query")
    @classmethod
    def _parsed(cls, text: str) -> str:
        """Point at the place in the text where it is no GraphQL."""
        try:
            from airflow_provider_spotify.core.sources.api._graphql_query import parsed
        except ImportError:
            return text
        parsed(text)
        return text

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if secret := next((name for name in self.headers if SECRET_HEADER.search(name)), None):
            raise ValueError(f"header {secret!r} looks like a secret: use auth and the connection")
        if bool(self.key) != bool(self.keys):
            raise ValueError("key and keys go together: the variable, and its values")
        try:
            import graphql  # noqa: F401  (a machine that only compiles may lack it)
        except ImportError:
            return self
        self._checked()
        return self

    def _checked(self) -> None:
        from airflow_provider_spotify.core.sources.api._graphql_query import Query

        query = Query(self.query, operation=self.operation_name)
        filled = self._filled()
        if unknown := [name for name in (*self.variables, *filled) if name not in query.variables]:
            raise ValueError(f"query declares no variable ${unknown[0]}; add it to the operation")
        token = self.pagination.variable if isinstance(self.pagination, Relay) else None
        for name in query.required():
            bound = self.incremental is not None and name == self.incremental.variable
            if name == token or (bound and self.start is None):
                raise ValueError(f"${name} has no value at first: declare it without !")
            if name not in self.variables and name not in filled:
                raise ValueError(f"${name} needs a value: put it into variables")
        self._selected(query)

    def _filled(self) -> list[str]:
        found = variables_of(self.pagination) + ([self.key] if self.key else [])
        if (new := self.incremental) is not None:
            found += [new.variable] + ([new.end_variable] if new.end_variable else [])
        return found

    def _selected(self, query: Any) -> None:
        """Make sure that the query selects what the config names."""
        wanted = {"records": self.records}
        if isinstance(self.pagination, Relay):
            info = self.pagination.page_info or beside(self.records, "pageInfo")
            wanted["pagination"] = f"{info}.hasNextPage"
            wanted["pagination of later pages"] = f"{info}.endCursor"
        if self.incremental:
            wanted["incremental"] = f"{self.records}.{self.incremental.field}"
        wanted |= {f"identity {name}": f"{self.records}.{name}" for name in self.identity}
        for key, path in wanted.items():
            if query.select(path.split(".")) is None:
                raise ValueError(f"{key}: query does not select {path}")
        column = self.key_column or self.key
        if column and query.select([*self.records.split("."), column]) is not None:
            raise ValueError(f"records have a field {column!r} already: name another key_column")
