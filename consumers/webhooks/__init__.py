"""payment.* | handle.* | account.* -> (nothing): plans what endpoints are told."""
