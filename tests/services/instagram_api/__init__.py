"""A local server that keeps the published contract of the Instagram Graph API."""
