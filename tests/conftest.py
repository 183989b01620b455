"""With this file here, the modules beside it can be imported by every test below."""

import os

# Small models on a busy machine: two threads that wait for each other are many times slower than one.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
