"""The benchmark: the zoo on public sets with official test rows, by the product's own path."""
