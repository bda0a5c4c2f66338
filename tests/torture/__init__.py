"""Small test videos whose every frame carries its own index, and a reader that trusts nothing.

``make.make(kind, folder)`` writes one clip, ``expect.observe(path)`` says what a video holds.
Neither imports framewright, so that a test compares the program with something it cannot bend.
"""
