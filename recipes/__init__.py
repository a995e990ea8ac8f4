"""Training runs, one Python function each: `python -m recipes.tiny --help`."""
