"""This computer: springline's own files and keys, its processes and its browser."""
