"""Days of a block of cells, from files of any kind, anywhere."""
