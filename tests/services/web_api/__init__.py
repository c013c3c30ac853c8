"""The kit for contract servers: local servers that keep a web API's PUBLISHED contract.

A contract server is a subclass of :class:`~tests.services.web_api.server.WebApi` in a package of
its own (``tests/services/<system>_api/``). ``example.py`` beside this file shows all of it in some
sixty lines, ``test_web_api.py`` how a test uses one. Rules for a good one:

1. It keeps what the API's documentation says, not what our client happens to send. Every handler's
   docstring links the public page of its endpoint.
2. It refuses what the API refuses: unknown parameters, wrong types and limits above the maximum
   (:class:`~tests.services.web_api.params.Query`; call ``done()`` at its end), a missing, unknown
   or ended token (``authorise``), an unknown path, too many calls (``limits``). Each refusal has
   the API's own status and body: override ``error``.
3. Its data come from a seed (``random.Random(seed)``): the same at each start, invented, no person.
   Make enough for five pages, with the odd values that the API is known for: nulls, empty lists,
   missing fields, unicode, numbers as texts, deleted objects.
4. ``add(...)`` adds records as a user of the API would make them appear, so that incremental
   reading can be tested; ``insert`` and ``delete`` at the top of a listing let pages shift while a
   client reads (``WebFaults`` of ``core/testing/web_faults.py`` calls them between two pages).
5. A handler is a plain ``def`` that returns JSON (or a ``web.Response``); it runs under
   ``self.lock``, so tests may look at or change ``self`` while the server runs, under the same
   lock. An ``async def`` handler (for streamed bodies) takes the lock itself.
6. Links that it gives (``next`` …) begin with ``home(request)``: the address that the client used,
   which is a proxy's where faults are played.
7. ``recording = True`` keeps every exchange whole; ``tests.services.web_api.openapi.check(system,
   server.exchanges)`` compares them with the API's published description, where there is one.

Faults need no code in the server: :class:`~airflow_provider_spotify.core.testing.web_proxy.
FaultProxy` stands in front of any server. ``server.fault(...)`` breaks single answers by hand.
"""
