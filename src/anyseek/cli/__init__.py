"""The command line: one file per command, and `main` that maps errors to exit codes."""

__all__: list[str] = []
