"""What the operator costs, each workload a command that prints JSON: see docs/benchmarks.md."""
