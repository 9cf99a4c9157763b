"""payment.*, session.* and others -> (nothing): plans who is told what, in which ways."""
