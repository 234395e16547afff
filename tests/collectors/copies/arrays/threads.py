"""numpy is imported by a thread while the main one waits; then eight convert at once."""

import threading


def importing() -> None:
    import numpy as np

    picture = np.zeros((480, 640), np.uint8)
    picture.astype(np.float32)

    def converting() -> None:
        for _ in range(50):
            picture.astype(np.int16)

    threads = [threading.Thread(target=converting) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


thread = threading.Thread(target=importing)
thread.start()
thread.join()
