"""Making what is stale: runs, lanes, order, progress, and the processes around them."""
