"""Sessions: planned, started, looked at, waited for, held, scaled and stopped."""
