"""The connection types this package brings, as Airflow's UI shows them; standard library only."""

from __future__ import annotations

from typing import Any

from airflow_provider_spotify.connection_types_analytics import google_analytics, segment
from airflow_provider_spotify.connection_types_audio import lastfm, soundcloud
from airflow_provider_spotify.connection_types_exports import amplitude, mixpanel
from airflow_provider_spotify.connection_types_graphql import graphql
from airflow_provider_spotify.connection_types_social import instagram, tiktok, twitter

_HOOKS = "airflow_provider_spotify.hooks"


def connection_types() -> list[dict[str, Any]]:
    """Return ``connection-types`` of the provider info, in the words of its schema."""
    return [
        _spotify(),
        _duckdb(),
        _event_hubs(),
        _pulsar(),
        _websocket(),
        _clickhouse(),
        lastfm(),
        soundcloud(),
        instagram(),
        tiktok(),
        google_analytics(),
        segment(),
        mixpanel(),
        amplitude(),
        twitter(),
        graphql(),
    ]


def _spotify() -> dict[str, Any]:
    return {
        "connection-type": "spotify",
        "hook-class-name": f"{_HOOKS}.spotify.SpotifyHook",
        "hook-name": "Spotify",
        "conn-fields": {
            "refresh_token": {
                "label": "Refresh token",
                "description": "Only to act for a user, whose library and plays are read: from"
                " `spotify-imports authorize spotify`. Consents end after six months. Without it"
                " the app acts for itself.",
                "schema": {"type": ["string", "null"], "format": "password"},
            },
            "quota_group": {
                "label": "Quota group",
                "description": "The same word in all connections of one developer account:"
                " Spotify counts their requests together.",
                "schema": {"type": ["string", "null"]},
            },
            "api_url": {
                "label": "Web API address",
                "description": "Only for another server than Spotify's own, such as one for tests.",
                "schema": {"type": ["string", "null"]},
            },
            "token_url": {
                "label": "Token address",
                "description": "Likewise, where tokens come from.",
                "schema": {"type": ["string", "null"]},
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "Client ID", "password": "Client secret"},
            "placeholders": {
                "login": "from developer.spotify.com, Dashboard, your app, Settings",
            },
        },
    }


def _duckdb() -> dict[str, Any]:
    return {
        "connection-type": "duckdb",
        "hook-class-name": f"{_HOOKS}.duckdb.DuckDBHook",
        "hook-name": "DuckDB",
        "ui-field-behaviour": {
            "hidden-fields": ["port", "login", "password"],
            "relabeling": {"host": "File"},
            "placeholders": {"host": "/data/acme.duckdb", "schema": "main"},
        },
    }


def _event_hubs() -> dict[str, Any]:
    return {
        "connection-type": "azure_event_hubs",
        "hook-class-name": f"{_HOOKS}.event_hubs.EventHubsHook",
        "hook-name": "Azure Event Hubs",
        "conn-fields": {
            "bootstrap.servers": {
                "label": "Kafka endpoint",
                "description": "Only for an emulator: the namespace of the connection string, port"
                " 9093, is the default.",
                "schema": {"type": ["string", "null"]},
            },
            "security.protocol": {
                "label": "Security protocol",
                "description": "Likewise: SASL_SSL is the default, SASL_PLAINTEXT has no TLS.",
                "schema": {"type": ["string", "null"]},
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema", "login"],
            "relabeling": {"password": "Connection string"},
            "placeholders": {
                "password": "Endpoint=sb://<namespace>.servicebus.windows.net/;SharedAccessKeyName=…",
            },
        },
    }


def _pulsar() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    return {
        "connection-type": "pulsar",
        "hook-class-name": f"{_HOOKS}.pulsar.PulsarHook",
        "hook-name": "Apache Pulsar",
        "conn-fields": {
            "admin_url": {
                "label": "Address of the REST API",
                "description": "Only for topics_pattern, which lists the topics of a namespace.",
                "schema": text,
            },
            "tls_trust_certs_file_path": {
                "label": "Trusted certificates",
                "description": "A file on the workers; without it, those of public authorities.",
                "schema": text,
            },
            "tls_certificate_file_path": {
                "label": "Client certificate",
                "description": "A file on the workers, to sign in by a certificate.",
                "schema": text,
            },
            "tls_private_key_file_path": {
                "label": "Its private key",
                "description": "A file on the workers.",
                "schema": text,
            },
            "oauth2_issuer_url": {
                "label": "OAuth 2 issuer",
                "description": "To sign in by OAuth 2: with client id and secret as login and"
                " password, or with a key file in oauth2_private_key.",
                "schema": text,
            },
            "oauth2_audience": {"label": "OAuth 2 audience", "schema": text},
            "oauth2_scope": {"label": "OAuth 2 scope", "schema": text},
            "oauth2_private_key": {
                "label": "OAuth 2 key file",
                "description": "file:///path of the workers, instead of login and password.",
                "schema": text,
            },
        },
        "ui-field-behaviour": {
            "relabeling": {"schema": "Namespace", "password": "Token or password"},
            "placeholders": {
                "host": "pulsar+ssl://broker.example.com",
                "port": "6650, with TLS 6651",
                "schema": "public/default",
            },
        },
    }


def _websocket() -> dict[str, Any]:
    return {
        "connection-type": "websocket",
        "hook-class-name": f"{_HOOKS}.websocket.WebsocketHook",
        "hook-name": "WebSocket",
        "ui-field-behaviour": {
            "hidden-fields": ["schema"],
            "relabeling": {"host": "Address", "password": "Token or password"},
            "placeholders": {"host": "wss://stream.example.com/feed"},
        },
    }


def _clickhouse() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    return {
        "connection-type": "clickhouse",
        "hook-class-name": f"{_HOOKS}.clickhouse.ClickHouseHook",
        "hook-name": "ClickHouse",
        "conn-fields": {
            "secure": {
                "label": "TLS",
                "description": "Speak HTTPS; without a word, only at port 8443.",
                "schema": {"type": ["boolean", "null"]},
            },
            "verify": {
                "label": "Verify the certificate",
                "description": "Yes, unless this says otherwise.",
                "schema": {"type": ["boolean", "null"]},
            },
            "ca_cert": {
                "label": "Trusted certificates",
                "description": "A file on the workers; without it, those of public authorities.",
                "schema": text,
            },
            "client_cert": {
                "label": "Client certificate",
                "description": "A file on the workers, to sign in by a certificate.",
                "schema": text,
            },
            "client_cert_key": {
                "label": "Its private key",
                "description": "A file on the workers.",
                "schema": text,
            },
            "database": {
                "label": "Database",
                "description": "Instead of the one above.",
                "schema": text,
            },
        },
        "ui-field-behaviour": {
            "relabeling": {"schema": "Database"},
            "placeholders": {
                "host": "clickhouse.example.com",
                "port": "8123, with TLS 8443",
                "login": "default",
            },
        },
    }
