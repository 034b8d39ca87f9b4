"""`python -m clozone` is `clozone`."""

from clozone.cli.main import main

if __name__ == "__main__":
    main()
