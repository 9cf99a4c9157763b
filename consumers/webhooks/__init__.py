"""payment.*, handle.* and others -> (nothing): plans what endpoints are told."""
