"""The Payment Router: takes payments in, and tells what became of them."""
