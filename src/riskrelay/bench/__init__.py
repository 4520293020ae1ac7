"""Measuring what a machine bears with this product: what `riskrelay bench` runs."""
