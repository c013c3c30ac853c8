"""The plugin's API: health, metrics, status, and the pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from airflow_provider_spotify.core.config.plans import TenantPlan
from airflow_provider_spotify.core.config.problems import Problem
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.dag_factory.folder import tenants_folder
from airflow_provider_spotify.dag_factory.loader import tenant_of
from airflow_provider_spotify.hooks.credentials import credentials
from airflow_provider_spotify.plugins.page import overview, tenant_page
from airflow_provider_spotify.plugins.prometheus import CONTENT_TYPE, exposition
from airflow_provider_spotify.plugins.status import Board, ImportStatus, summary

_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def readable_dags(user: GetUserDep) -> set[str]:
    """Return the DAGs this user may read: who may not see a DAG may not see its numbers."""
    return get_auth_manager().get_authorized_dag_ids(user=user)


Readable = Annotated[set[str], Depends(readable_dags)]


def create_app(board: Board | None = None) -> FastAPI:
    """Build the app. ``/health`` is open; everything else needs Airflow's login or token.

    :param board: where statuses come from; the configured folder's without one
    """
    board = board or Board(tenants_folder, resolve=credentials)
    app = FastAPI(title="Imports", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(ConfigurationError)
    def unconfigured(_: Request, error: ConfigurationError) -> JSONResponse:
        """Say what is missing, to those who were let in."""
        return JSONResponse({"error": str(error)}, status_code=503)

    @app.get("/health")
    def health() -> JSONResponse:
        """Say whether the tenants' folder can be read; no more, as no login is asked."""
        try:
            board.tenants()
        except ConfigurationError:
            return JSONResponse({"status": "unhealthy"}, status_code=503)
        return JSONResponse({"status": "healthy"})

    @app.get("/metrics")
    def metrics(dags: Readable) -> Response:
        broken = len({problem.file for problem in board.tenants().problems})
        text = exposition(_visible(board, dags), broken=broken)
        return Response(text, media_type=CONTENT_TYPE)

    @app.get("/status")
    def status(dags: Readable, tenant: str | None = None) -> dict[str, Any]:
        found = _visible(board, dags, tenant=tenant)
        return {
            "summary": summary(found),
            "imports": [one.model_dump(mode="json") for one in found],
            "problems": [_problem(problem) for problem in _problems(board, dags, tenant=tenant)],
        }

    @app.get("/")
    def index(request: Request, dags: Readable) -> HTMLResponse:
        statuses = _visible(board, dags)
        names = list(dict.fromkeys(one.tenant for one in statuses))
        text = overview(names, statuses=statuses, base=_base(request))
        return HTMLResponse(text, headers=_SECURITY)

    @app.get("/tenants/{tenant}")
    def page(tenant: str, request: Request, dags: Readable) -> HTMLResponse:
        statuses = _visible(board, dags, tenant=tenant)
        problems = _problems(board, dags, tenant=tenant)
        if not statuses and not problems:
            raise HTTPException(404, "there is no such tenant, or it is not yours to see")
        text = tenant_page(tenant, statuses=statuses, problems=problems, base=_base(request))
        return HTMLResponse(text, headers=_SECURITY)

    return app


def _visible(board: Board, dags: set[str], *, tenant: str | None = None) -> list[ImportStatus]:
    """Read the tenants of which the user may read a DAG, and keep those imports."""
    plans: Mapping[str, TenantPlan] = board.tenants().tenants
    names = [
        name
        for name, plan in plans.items()
        if tenant in (None, name) and any(one.dag_id in dags for one in plan.imports.values())
    ]
    return [status for status in board.statuses(names) if status.dag_id in dags]


def _problems(board: Board, dags: set[str], *, tenant: str | None = None) -> list[Problem]:
    """Return the problems of the files whose tenant has, or had, a DAG that the user may read."""
    own = {tenant_of(dag_id) for dag_id in dags}
    named = [(PurePath(problem.file), problem) for problem in board.tenants().problems]
    return [
        problem._replace(file=file.name)
        for file, problem in named
        if file.stem in own and tenant in (None, file.stem)
    ]


def _base(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def _problem(problem: Problem) -> dict[str, Any]:
    return {**problem._asdict(), "text": str(problem)}
