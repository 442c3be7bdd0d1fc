"""The farm's own API, `/v1`: the whole of what it can do, in its own words."""
