"""dlib's face_recognition (HOG detector, five points, ResNet embedding; no liveness) as a peer
of `facegate bench`; not part of the product.

A line on standard input, RUNS WIDTH HEIGHT FILE, names a file of packed RGB pixels; a line of
JSON answers it.
"""

import json
import sys
import time
from importlib.metadata import version

import dlib
import face_recognition
import numpy as np

print(json.dumps({"version": f"{version('face_recognition')}, dlib {dlib.__version__}", "backend": "HOG without enlarging + ResNet"}), flush=True)
for line in sys.stdin:
    runs, width, height, name = line.rstrip("\n").split(" ", 3)
    picture = np.fromfile(name, np.uint8).reshape(int(height), int(width), 3)
    ms, faces, size = [], 0, 0
    for _ in range(int(runs)):
        started = time.perf_counter()
        boxes = face_recognition.face_locations(picture, number_of_times_to_upsample=0, model="hog")
        vectors = face_recognition.face_encodings(picture, boxes, model="small")
        ms.append((time.perf_counter() - started) * 1e3)
        faces, size = len(boxes), len(vectors[0]) if vectors else 0
    print(json.dumps({"ms": ms, "faces": faces, "embedding": size}), flush=True)
