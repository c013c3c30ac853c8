"""Operators that import from HTTP APIs."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class RestImportOperator(ImportOperator):
    """Import the records that a REST API lists, page by page."""

    source_type = "rest"


class InstagramImportOperator(ImportOperator):
    """Import from the Instagram Graph API: media, insights, comments, stories and hashtags."""

    source_type = "instagram"
    default_conn_id = "instagram_default"


class TiktokImportOperator(ImportOperator):
    """Import from TikTok: a user's videos, or what a research project may query."""

    source_type = "tiktok"
    default_conn_id = "tiktok_default"


class TwitterImportOperator(ImportOperator):
    """Import from X: posts by search, timeline or list, users, followers and counts."""

    source_type = "twitter"
    default_conn_id = "twitter_default"


class GraphqlImportOperator(ImportOperator):
    """Import the records of a GraphQL query, page by page."""

    source_type = "graphql"
    default_conn_id = "graphql_default"
