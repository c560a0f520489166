"""``python -m faltung.viz.gallery FOLDER``: write the gallery."""

from __future__ import annotations

import sys
from pathlib import Path

from faltung.viz.gallery.page import write_gallery

for _path in write_gallery(Path(sys.argv[1] if len(sys.argv) > 1 else "gallery")):
    sys.stdout.write(f"{_path}\n")
