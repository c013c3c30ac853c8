"""How a REST source signs in: as any API whose YAML says it (``core/sources/web/signing.py``)."""

from __future__ import annotations

from airflow_provider_spotify.core.sources.web.signing import AuthConfig, sign_in

__all__ = ["AuthConfig", "sign_in"]
