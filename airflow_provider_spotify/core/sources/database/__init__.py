"""Databases: tables, collections and indexes."""
