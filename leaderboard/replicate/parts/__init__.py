"""The parts of a paper: a module for each kind of table or figure."""
