"""Resolve the handles of a payment to accounts."""
