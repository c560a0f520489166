"""Pixels to MP4: H.264 as every browser, phone and slide programme plays it.

Owns how the encoder is called, which imageio-ffmpeg ships.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from faltung.errors import ConvError
from faltung.extras import optional
from faltung.viz.pictures.raster import Pixels

__all__ = ["VideoError", "write_mp4"]

_RATE = 10
"""Pictures a second in the file, or nearly: some players do not like fewer. Repetitions are made by the encoder and cost it nothing."""


class VideoError(ConvError):
    """The encoder failed."""


def write_mp4(path: Path, frames: Iterable[Pixels], width: int, height: int, *, seconds: float, background: str) -> None:
    """Write frames to an MP4 file.

    Parameters
    ----------
    path : Path
    frames : iterable of uint8 arrays (height, width, 3)
    width, height : int
        An odd one is made even, as the format needs, with `background` on the right and below.
    seconds : float
        That each frame is shown.
    background : str
        ``#rrggbb``.

    Raises
    ------
    MissingExtraError
        imageio-ffmpeg is not installed.
    VideoError
        The encoder failed.
    """
    encoder = optional("imageio_ffmpeg", extra="plot", purpose="writing MP4 files", package="imageio-ffmpeg")
    each = Fraction(seconds).limit_denominator(1000)
    repeats = max(1, round(each * _RATE))
    bt709 = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    command = [
        *(encoder.get_ffmpeg_exe(), "-y", "-nostdin", "-loglevel", "error"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(1 / each), "-i", "pipe:0"),
        # Said in full, as players otherwise guess the colour matrix from the size.
        *(
            "-vf",
            f"pad=ceil(iw/2)*2:ceil(ih/2)*2:color={background},scale=out_color_matrix=bt709:out_range=tv,fps={repeats / each},{bt709}",
        ),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "medium", "-tune", "stillimage", "-crf", "16"),
        # One thread, no dates and versions: the same bytes every time.
        *("-threads", "1", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart"),
        *("-f", "mp4", str(path)),
    ]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as process:
            assert process.stdin is not None
            try:
                for pixels in frames:
                    process.stdin.write(pixels.tobytes())
                process.stdin.close()
            except BrokenPipeError:
                pass  # it ended early, and has said why
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise VideoError(
                f"the encoder failed (exit status {process.returncode}): {lines[-1] if lines else 'no reason given'}.",
                "Is there room on the disk? A GIF needs no encoder.",
            )
