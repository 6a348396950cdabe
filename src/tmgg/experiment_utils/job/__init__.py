"""What runs in a job: the experiment and what is around it."""
