"""Benchmarks of this product on the local machine, run by `riskrelay bench`."""
