"""The figures of the documentation: `python -m tests.figures` makes them anew, with springline's own commands."""
