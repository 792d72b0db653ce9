"""The gate before every metric: are these volumes CT in Hounsfield units, on comparable grids, each one only once?

Facts about a volume are measured once (and may be cached as JSON by the file's hash); checking them is a pure function.
Nothing is rescaled or guessed here: what cannot be HU is refused.
"""
