"""Open Encoder's API."""
