"""Published descriptions of web APIs, cut down to the operations that our sources use.

Each ``<system>.json`` is OpenAPI 3 with names, types and bounds only: no text of the publisher.
``x-source`` and ``x-licence`` in its ``info`` say where the facts were taken from.
:mod:`tests.services.web_api.contracts.cut` makes one from a published document.
"""
