"""What users see: tables, progress, exit codes. The commands and the launcher print with it."""
