"""Modal: one file asks its servers, one table has its GPUs, one file is what a container runs."""
