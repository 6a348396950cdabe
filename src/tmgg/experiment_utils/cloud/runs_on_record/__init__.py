"""The recorded runs of one backend: finding, submitting, polling and cancelling them."""
