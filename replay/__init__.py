"""Floor 6: read models built again from the log, compared, put in place; the log kept as files.

It publishes nothing, calls nothing and commits no offset; its database role can write in its own
schemas only.
"""
