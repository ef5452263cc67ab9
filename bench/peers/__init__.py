"""Other systems that the benchmark compares with, and the workload."""
