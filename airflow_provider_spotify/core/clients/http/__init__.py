"""The HTTP floor of every web API: one client, its limits and pace, its cache, its recordings.

Begin with :mod:`.client`. A request passes the pace (:mod:`.limits`, :mod:`.slots`), the cache, the
authentication and the transport, and comes back through :mod:`.retry` and :mod:`.body`.
"""
