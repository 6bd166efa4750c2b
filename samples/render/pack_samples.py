"""Turn make_samples.py's pictures into the samples folder: metadata off, one as HEIC too, one sideways with its turn and date in EXIF.

python pack_samples.py OUT SAMPLES, with Pillow and pillow-heif (both come with the project's dev extra).
"""

import sys
from pathlib import Path

import pillow_heif
from PIL import ExifTags, Image

HEIC, SIDEWAYS = "three", "sideways"
TAKEN_AT = "2023:11:25 09:41:00"
TURN_RIGHT = 6  # the EXIF orientation of a picture that must be turned a quarter to the right to stand upright


def main():
    source, folder = (Path(a) for a in sys.argv[1:])
    pillow_heif.register_heif_opener()
    for path in sorted(source.glob("*.jpg")):
        picture = Image.frombytes("RGB", (image := Image.open(path)).size, image.convert("RGB").tobytes())
        if path.stem == HEIC:
            picture.save(folder / f"{HEIC}.heic", quality=60)
        if path.stem == SIDEWAYS:
            exif = Image.Exif()
            exif[ExifTags.Base.Orientation] = TURN_RIGHT
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = TAKEN_AT
            picture.transpose(Image.Transpose.ROTATE_90).save(folder / path.name, quality=85, exif=exif)
        else:
            picture.save(folder / path.name, quality=85, optimize=True)


if __name__ == "__main__":
    main()
