"""Scripts that print measured figures; ratios and medians of one run, never a test."""
