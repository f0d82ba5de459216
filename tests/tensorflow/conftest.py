"""TensorFlow says less of itself."""

import os

# Read when TensorFlow is imported, which the files beside this one do.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
