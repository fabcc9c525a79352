"""Times dlib's face_recognition (HOG detector, five points, ResNet embedding; no liveness)
on raw RGB pictures. Used by `facegate bench`; not part of the product.

Usage: python face_recognition.py RUNS WIDTH HEIGHT FILE.rgb ...   one JSON object a line
"""

import json
import os
import sys
import time

sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]
import dlib  # noqa: E402
import face_recognition  # noqa: E402
import numpy as np  # noqa: E402

runs, width, height = (int(a) for a in sys.argv[1:4])
print(json.dumps({"engine": "face_recognition", "version": f"{face_recognition.__version__}, dlib {dlib.__version__}", "backend": "HOG + ResNet"}), flush=True)
for name in sys.argv[4:]:
    picture = np.fromfile(name, np.uint8).reshape(height, width, 3)
    ms, faces, size = [], 0, 0
    for i in range(runs + 5):
        started = time.perf_counter()
        boxes = face_recognition.face_locations(picture, model="hog")
        vectors = face_recognition.face_encodings(picture, boxes, model="small")
        if i >= 5:
            ms.append((time.perf_counter() - started) * 1e3)
        faces, size = len(boxes), len(vectors[0]) if vectors else 0
    print(json.dumps({"file": os.path.basename(name), "ms": ms, "faces": faces, "embedding": size}), flush=True)
