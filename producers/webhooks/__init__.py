"""Webhooks: where clients want to be told, what they were told, and how to hear it again."""
