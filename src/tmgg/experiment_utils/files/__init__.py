"""Files on a shared file system: written whole, looked for reliably, trusted by their owner."""
