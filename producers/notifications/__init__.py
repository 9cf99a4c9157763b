"""Notifications: where people are told, what they are told, and what brings it there."""
