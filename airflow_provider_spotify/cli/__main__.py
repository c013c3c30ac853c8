"""``python -m airflow_provider_spotify.cli`` is ``spotify-imports``."""

from __future__ import annotations

import sys

from airflow_provider_spotify.cli import main

sys.exit(main())
