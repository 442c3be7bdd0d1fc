"""The farm over HTTP. Nothing here knows Ray: it runs under any ASGI server."""
