"""Listen to a running device: samples come in, windows are answered as soon as they are whole.

    source (lsl, lines, yours) -> LiveSamples -> LiveCutter -> windows ─┐
    playback of a file ───────────────────────────────────> windows ┴─> Listener -> answers

Nothing grows with time: buffers hold a window and what a filter needs around it.
"""
