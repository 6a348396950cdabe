"""The runs of one backend on record: found, submitted, asked about, cancelled."""
