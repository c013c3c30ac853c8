"""A local server that keeps the published contract of the GA4 Data API, v1beta.

The fields that requests may have, and those of the answers, are the ones of the API's discovery
document (https://analyticsdata.googleapis.com/$discovery/rest?version=v1beta, read 2026-11-22).
"""
