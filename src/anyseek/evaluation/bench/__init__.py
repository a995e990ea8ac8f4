"""`anyseek bench`: the same inputs through this engine and through others, in one run, with equal results first."""

__all__: list[str] = []
