"""Our figures beside the limit, as ratios of one run: `python -m benchmarks` (see README.md)."""
