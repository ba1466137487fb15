"""The tests; see docs/development.md."""
