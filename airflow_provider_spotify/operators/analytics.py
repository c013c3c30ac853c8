"""Operators that import from analytics services."""

from __future__ import annotations

from airflow_provider_spotify.operators.base import ImportOperator


class GoogleAnalyticsImportOperator(ImportOperator):
    """Import from Google Analytics 4: reports by day, pivots, realtime, what may be asked for."""

    source_type = "google_analytics"
    default_conn_id = "google_analytics_default"


class SegmentImportOperator(ImportOperator):
    """Import from Segment: messages from the logs of its S3 destination, profiles, plans."""

    source_type = "segment"
    default_conn_id = "segment_default"


class MixpanelImportOperator(ImportOperator):
    """Import from Mixpanel: raw events, profiles, cohorts, annotations."""

    source_type = "mixpanel"
    default_conn_id = "mixpanel_default"


class AmplitudeImportOperator(ImportOperator):
    """Import from Amplitude: raw events, event types, cohorts and their members."""

    source_type = "amplitude"
    default_conn_id = "amplitude_default"
