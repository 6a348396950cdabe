"""A sweep as one page, and its figures: `tmgg-jobs report`."""
