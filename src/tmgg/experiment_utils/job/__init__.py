"""The code that runs in a job: it runs the experiment and leaves its result."""
