"""Paths that hold under every host name; nothing is imported here, so that everybody can afford to know them."""

ALSO_AT = "/framemill"
"""The native API is always found under this path, too: at a host name of another door it is not at the root."""

NATIVE_V1 = f"{ALSO_AT}/v1"
"""Where our own client and processes speak to a farm, whatever is at its root."""

PROBED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Whoever watches a farm knows it by its address, so these are at the root of every host name."""
