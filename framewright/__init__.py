"""framewright: batch scoring of video with deep-learning models.

The engine: split a video into packet bundles, score its frames unit by unit, stitch the result
with the source's own sound. Importing this package loads neither torch nor FFmpeg.
"""

__version__ = "0.1.0"
