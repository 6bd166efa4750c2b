"""The ways in: HTTP, the page, the terminal, batches."""

import os

# The OpenBLAS of NumPy and that of OpenCV start a thread for each of the machine's cores when they are loaded, and take memory for each:
# with nine cores more than a worker may have. No matrix here is worth a second thread. Processes that are started inherit it.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
