"""Many runs together: planned, recognised, submitted as room appears, collected."""
