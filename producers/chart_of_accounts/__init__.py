"""The file drop that opens Titan's own accounts, as chart_of_accounts.yaml lists them."""
