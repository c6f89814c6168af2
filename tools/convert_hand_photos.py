"""Turn a published data set of hand boxes (Pascal VOC, YOLO or COCO) into the form of docs/datasets/photographs.md.

python tools/convert_hand_photos.py data/photos/people --out data/photos/hands.json --license "CC BY 4.0"
python tools/convert_hand_photos.py data/photos/signs --out data/photos/hands.json --two-hands A B --mediapipe PYTHON

The second command adds the images to the file that the first one wrote.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, run
from interhand_mm.cli.path_types import output_file


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add = parser.add_argument
    add("folder", help="folder of the data set as it was unpacked")
    add("--out", type=output_file, required=True, metavar="FILE", help="COCO file to write or to extend")
    add("--layout", default="auto", choices=("auto", "voc", "yolo", "coco"), help="layout of the data set [auto]")
    add("--img-dir", metavar="DIR", help="folder that the file names are relative to [the parent of the folder]")
    add("--two-hands", nargs="+", default=[], metavar="CLASS", help="classes whose box is around two hands [none]")
    add("--leave-out", nargs="+", default=[], metavar="CLASS", help="classes that are no hands [none]")
    add("--source", default="", help="name of the source, for attribution")
    add("--license", default="", help="license of the images")
    add("--mediapipe", metavar="PYTHON", help="interpreter with MediaPipe 0.10.21, for machine labels of the joints")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.preparation.convert_photos import PublishedSet, convert_photos

    published = PublishedSet(args.folder, args.layout, args.two_hands, args.leave_out, args.source, args.license)
    print("\n".join(convert_photos(published, args.out, args.img_dir, args.mediapipe)))


if __name__ == "__main__":
    run(main)
