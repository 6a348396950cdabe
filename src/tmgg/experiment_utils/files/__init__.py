"""Files of a run that is shared: whole, found for certain, and whose they are."""
