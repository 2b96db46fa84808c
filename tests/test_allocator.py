import platform
import subprocess
import sys

import pytest

# Page faults of a thread that asks for the same large blocks again and again, once it has had them.
_FAULTS = """
import resource, sys, threading
import numpy as np
from napari_mri_cae.allocator import keep_pages

def work():
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            blocks = [np.ones(size << 18, np.float32) for size in (4, 16, 48)]
            del blocks
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

if "keep" in sys.argv:
    assert keep_pages() and keep_pages()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that gives pages back")
def test_kept_pages_are_not_faulted_in_again_in_any_thread():
    faults = [
        int(subprocess.run([sys.executable, "-c", _FAULTS, word], check=True, capture_output=True).stdout)
        for word in ("keep", "not")
    ]
    assert faults[0] < faults[1] / 10
