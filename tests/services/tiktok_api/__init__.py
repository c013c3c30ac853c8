"""A local server that keeps the published contract of TikTok's Display and Research APIs."""
