"""Documents that people entrust to us: sealed in chunks, kept in a folder or a bucket."""
