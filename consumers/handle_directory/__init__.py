"""Decide which account each handle names."""
