"""``python -m faltung`` is the command line."""

from __future__ import annotations

from faltung.cli import main

if __name__ == "__main__":
    main()
