"""`python -m anyseek` is the command line."""

from anyseek.cli.main import main

if __name__ == "__main__":
    main()
