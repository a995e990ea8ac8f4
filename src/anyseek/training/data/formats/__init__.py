"""Foreign formats of training data, one file for each, and `registry`, which knows them by name."""

__all__: list[str] = []
