"""Handle Resolution: tells which account a handle names, and takes claims in."""
