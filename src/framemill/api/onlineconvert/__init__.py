"""online-convert's (API2Convert's) jobs API, `/v2`."""
