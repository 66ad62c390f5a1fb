"""`python -m thecal_host` is `thecal`."""

from thecal_host.cli import main

if __name__ == "__main__":
    main()
