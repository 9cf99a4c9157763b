"""How fast: `make bench`, or `python -m bench`. Starts a Titan of its own, measures, prints.

Nothing here is a test: figures depend on the machine and on what shares it, so each says both.
"""
