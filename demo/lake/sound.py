"""What is heard: wind, water and a few plucked chords."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import numpy as np

from lake.clip import SECONDS, SEED
from lake.fields import Array

SOUND_RATE = 48000


def noise_band(rng: np.random.Generator, count: int, low: float, high: float) -> Array:
    """Pink noise between two frequencies, spread 1."""
    hertz = np.fft.rfftfreq(count, 1 / SOUND_RATE)
    shape = 1 / np.sqrt(np.maximum(hertz, 20)) / (1 + (low / np.maximum(hertz, 1)) ** 4)
    shape = shape / (1 + (hertz / high) ** 4)
    sound = np.fft.irfft(shape * np.exp(2j * np.pi * rng.random(hertz.shape)), count)
    return (sound / sound.std()).astype(np.float32)


def pluck(hertz: float, seconds: float, soft: float) -> Array:
    """A plucked string: partials of a bent string, the higher the shorter."""
    t = np.arange(int(seconds * SOUND_RATE), dtype=np.float32) / SOUND_RATE
    sound = np.zeros_like(t)
    for k in range(1, 15):
        partial = hertz * k * np.sqrt(1 + 0.00012 * k * k)
        if partial > 9000:
            break
        level = np.sin(np.pi * k * 0.23) / k**1.55 * np.exp(-soft * k)
        sound += (
            level
            * np.sin(2 * np.pi * partial * t)
            * np.exp(-t * (1.1 + 0.0016 * partial + 0.25 * k))
        )
    return (sound * np.minimum(t / 0.004, 1)).astype(np.float32)


def make_sound() -> Array:
    """Wind, lapping water and a few plucked chords; (2, samples)."""
    rng = np.random.default_rng(SEED + 9)
    count = SOUND_RATE * SECONDS
    t = np.arange(count, dtype=np.float32) / SOUND_RATE
    both = np.zeros((2, count), np.float32)
    for side in (0, 1):
        gust = 0.6 + 0.4 * np.sin(2 * np.pi * (0.13 * t + 0.21 * side)) ** 2
        lap = np.maximum(np.sin(2 * np.pi * (0.41 * t + 0.3 * side)), 0) ** 3
        lap = lap + 0.6 * np.maximum(np.sin(2 * np.pi * (0.67 * t + 0.7 - 0.2 * side)), 0) ** 5
        both[side] += 0.020 * gust * noise_band(rng, count, 90, 520)
        both[side] += 0.016 * (0.25 + lap) * noise_band(rng, count, 420, 2600)
    dry = np.zeros((2, count), np.float32)
    chords = (
        (38, 45, 54, 57, 64),
        (35, 47, 54, 57, 62),
        (43, 50, 54, 59, 66),
        (38, 45, 57, 62, 66),
    )
    tune = (69, 71, 74, 66, 71, 74, 76, 74)
    order = (0, 2, 1, 3, 4, 2)
    notes = [
        (2 * bar + beat / 3, chord[step], 0.16 if beat else 0.22)
        for bar, chord in enumerate(chords)
        for beat, step in enumerate(order)
    ]
    notes += [(n * 1.0 + 0.02, key, 0.15) for n, key in enumerate(tune)]
    for n, (start, key, level) in enumerate(notes):
        start = start + float(rng.uniform(0, 0.018))
        sound = pluck(440 * 2 ** ((key - 69) / 12), 3.5, 0.10) * level * float(rng.uniform(0.85, 1))
        at = int(start * SOUND_RATE)
        sound = sound[: count - at]
        pan = 0.5 + 0.22 * np.sin(2.4 * n)
        dry[0, at : at + len(sound)] += sound * np.cos(pan * np.pi / 2)
        dry[1, at : at + len(sound)] += sound * np.sin(pan * np.pi / 2)
    tail = int(2.2 * SOUND_RATE)
    size = count + tail
    for side in (0, 1):
        room = noise_band(rng, tail, 200, 4200) * np.exp(-np.arange(tail) / SOUND_RATE * 2.6)
        room = room / np.sqrt((room**2).sum())
        wet = np.fft.irfft(np.fft.rfft(dry[side], size) * np.fft.rfft(room, size), size)[:count]
        both[side] += dry[side] + 0.42 * wet.astype(np.float32)
    both *= np.minimum(t / 0.25, 1) * np.minimum((SECONDS - t) / 0.9, 1) ** 1.5
    return (both / np.abs(both).max() * 0.6).astype(np.float32)
