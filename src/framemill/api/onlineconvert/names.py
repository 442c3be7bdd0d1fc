"""What this door is called, and where it is."""

NAME = "onlineconvert"
"""As jobs know it."""
MOUNT = "/v2"
"""Where its clients look for it."""
