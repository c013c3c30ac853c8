"""A local server that keeps the published contract of Last.fm's API, its known faults included."""
