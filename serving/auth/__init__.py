"""Who asks, whether they may, and the record of what administrators did."""
