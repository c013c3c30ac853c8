"""A local server that keeps the published contract of Mixpanel's export and query APIs."""
