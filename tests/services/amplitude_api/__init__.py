"""A local server that keeps the published contract of Amplitude's export and dashboard APIs."""
