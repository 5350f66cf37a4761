"""What the flows stand on: the program under test, the phones by others that call through it, tones, results.

Python's standard library only. Nothing here needs a sound card, a display or a network beyond the loopback.
"""
