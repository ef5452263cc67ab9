"""Benchmark of the service, measured from outside its process."""
