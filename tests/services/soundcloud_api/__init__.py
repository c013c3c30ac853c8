"""A local server that keeps the published contract of SoundCloud's API."""
