"""Tones: each phone says one of its own, and what the other recorded must hold it.

A tone is found by Goertzel's algorithm on windows of 100 ms, so that a recording that is noise, silence or the
wrong voice does not pass.
"""

import array
import math
import struct

# Not round: a tone whose period is a whole number of samples drives some codecs into saturation.
TONES_HZ = {"alice": 440.0, "bob": 1037.0, "carol": 1613.0}
LEVEL = 0.25
WINDOW_S = 0.1
# A window counts when it is louder than this (RMS, full scale 1) …
RMS_MIN = 0.003
# … and the tone carries at least this share of its energy.
SHARE_MIN = 0.5


def write_tone(path, hertz, seconds, rate):
    """A WAV file, 16 bit mono, of one sine; its frequency and length are whole numbers, so that one second is like another."""
    step = 2 * math.pi * hertz / rate
    data = array.array("h", (int(32767 * LEVEL * math.sin(step * i)) for i in range(rate))).tobytes() * seconds
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt ")
        file.write(struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16))
        file.write(b"data" + struct.pack("<I", len(data)) + data)


def seconds_of(paths, hertz):
    """How long the tone is heard in these recordings together. One that cannot be read holds nothing."""
    return sum(_seconds_in(path, hertz) for path in paths)


def _seconds_in(path, hertz):
    try:
        rate, samples = _read(path)
    except (OSError, ValueError):
        return 0.0
    size = max(int(rate * WINDOW_S), 1)
    windows = (samples[i:i + size] for i in range(0, len(samples) - size + 1, size))
    return sum(_holds(window, rate, hertz) for window in windows) * WINDOW_S


def _holds(window, rate, hertz):
    energy = sum(x * x for x in window)
    if energy / len(window) < RMS_MIN * RMS_MIN:
        return False
    # The neighbours catch the small shift of a resampler.
    power = max(_goertzel(window, rate, f) for f in (hertz - 4, hertz, hertz + 4))
    return power / energy >= SHARE_MIN


def _goertzel(window, rate, hertz):
    k = 2 * math.cos(2 * math.pi * hertz / rate)
    a = b = 0.0
    for x in window:
        a, b = x + k * a - b, a
    return (a * a + b * b - k * a * b) * 2 / len(window)


def _read(path):
    """The rate and the samples, -1 to 1, of the first channel. A size of 0, as a recorder that was killed leaves it,
    means: to the end."""
    raw = open(path, "rb").read()
    if raw[:4] != b"RIFF":
        raise ValueError("%s is no WAV file" % path)
    at, form = 12, None
    while at + 8 <= len(raw):
        name, size = raw[at:at + 4], struct.unpack("<I", raw[at + 4:at + 8])[0]
        if name == b"fmt ":
            form = struct.unpack("<HHIIHH", raw[at + 8:at + 24])
        elif name == b"data" and form:
            _, channels, rate, _, _, bits = form
            if bits != 16:
                raise ValueError("%s: %d bits" % (path, bits))
            whole = size if 0 < size <= len(raw) - at - 8 else len(raw) - at - 8
            samples = array.array("h", raw[at + 8:at + 8 + whole // 2 * 2])
            return rate, [x / 32768 for x in samples[::channels]]
        at += 8 + size + (size & 1)
    raise ValueError("%s has no samples" % path)
