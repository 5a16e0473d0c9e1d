"""`python -m xlt`, which is also what `accelerate launch -m xlt` runs."""

from xlt.cli import main

if __name__ == "__main__":
    main()
