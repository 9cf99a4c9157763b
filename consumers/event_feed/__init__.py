"""payment.*, handle.* and others -> (nothing): numbers each owner's events for the feed."""
