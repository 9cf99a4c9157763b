"""payment.* -> (nothing): keeps the read model of payments."""
