"""What the SQL sinks share: ledger, schema evolution, the four write modes and the load itself.

A new SQL sink is one module beside this package. It gives a ``Dialect`` (quoting and types), a
``Session`` (one transaction: execute, look, ingest, swap), a ``Database`` (begin and lock) and a
``SqlSink`` subclass; everything that decides what commits together stays here.
"""
