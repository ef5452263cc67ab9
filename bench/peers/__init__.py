"""Other systems that the benchmark compares with, and their workload."""
