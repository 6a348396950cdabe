"""The commands `tmgg-experiment` and `tmgg-jobs`, and what they print."""
