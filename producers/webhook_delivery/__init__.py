"""Delivers webhooks: a pool of any number of processes over the tables of webhooks."""
