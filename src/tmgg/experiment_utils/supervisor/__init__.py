"""What starts an experiment and outlives it, for local, Ray and Modal runs."""
