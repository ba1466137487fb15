"""The batch engine: one function over thousands of items, each done exactly once."""
