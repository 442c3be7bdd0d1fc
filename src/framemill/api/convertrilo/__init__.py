"""Convertrilo's API, as its SDK 0.0.11 speaks it."""
