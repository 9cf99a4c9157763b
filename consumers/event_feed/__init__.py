"""payment.* | handle.* | account.* -> (nothing): numbers each owner's events for the feed."""
