"""What should be, what was made, and what follows: catalog, ledger, plan. No Dagster, no model library."""
