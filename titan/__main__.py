"""`python -m titan`: the command line."""

from titan.cli import app

if __name__ == "__main__":
    app(prog_name="titan")
