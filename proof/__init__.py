"""The proof of the books, from outside: log, ledger and projections read as bytes and rows.

It shares no decision with what it checks. What may be imported here is the map of topics, the
names of topics and the shell's tools; never a stage, an edge, the ledger's door, a projection, or
a rule of the domain.
"""
