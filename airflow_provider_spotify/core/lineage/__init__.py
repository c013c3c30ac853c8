"""Lineage: what a load read and wrote, in OpenLineage's names and without its library."""
