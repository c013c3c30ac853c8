"""Sensors that wait for analytics services."""

from __future__ import annotations

from airflow_provider_spotify.sensors.base import SourceReadySensor


class GoogleAnalyticsReadySensor(SourceReadySensor):
    """Wait until a day of Google Analytics is over that was not imported yet."""

    source_type = "google_analytics"
    default_conn_id = "google_analytics_default"


class SegmentReadySensor(SourceReadySensor):
    """Wait for new files in Segment's logs, or for what is due of its APIs."""

    source_type = "segment"
    default_conn_id = "segment_default"


class MixpanelReadySensor(SourceReadySensor):
    """Wait until a day of Mixpanel is over that was not imported yet, and has events."""

    source_type = "mixpanel"
    default_conn_id = "mixpanel_default"


class AmplitudeReadySensor(SourceReadySensor):
    """Wait until hours of Amplitude are complete that were not imported yet, and have events."""

    source_type = "amplitude"
    default_conn_id = "amplitude_default"
