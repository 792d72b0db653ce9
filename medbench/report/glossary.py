"""The report's words, each in a sentence or two: for the glossary at its end, and the links that lead there."""

from __future__ import annotations

from typing import Final

GLOSSARY: Final = {
    "value": "What the metric found when it compared the synthetic volumes with the real ones.",
    "95 % interval": "The range that chance in the choice of volumes leaves open: other volumes from the same sources "
    "would give a value in it 19 times in 20. It is made by leaving out whole patients, never single slices.",
    "floor": "What real volumes score in place of the synthetic ones. Two sets of real patients differ, too, so the "
    "floor is seldom 0, and no generator can be expected to do better.",
    "ceiling": "The best that the instruments allow, such as a segmenter's own agreement with people's masks.",
    "verdict": "The value's interval beside the floor, in words. There is none where the floor rests on other numbers "
    "of volumes than the value, where the value has no interval, or where no real volumes were scored.",
    "fingerprint": "A short hash over everything that decides a number: window, slices, feature network with its "
    "weights, counts, versions. Numbers with different fingerprints must not be compared.",
    "track": "A data set with a protocol. Generators are ranked only within a track.",
    "stand-in": "An offline substitute for a network whose weights are not here. Its numbers are of use for comparing "
    "runs with each other, and cannot be set against published ones.",
    "leak": "Data of this evaluation that the generator, or a part of it, was trained on.",
    "held-out": "Real volumes of patients that the generator never saw.",
    "gap": "How much nearer the samples lie to the training volumes than to held-out ones, at equal counts. A gap "
    "beyond chance is a sign of copying.",
    "nearest real volume": "The real volume that looks most like a sample to the metric or network that is named "
    "beside it. It is the first place to look for a copy; likeness alone does not prove one.",
    "HU": "Hounsfield units, the scale of CT: air -1000, water 0.",
    "SD": "Standard deviation: a distance of one real SD is as large as the usual difference between patients.",
    "DSC": "Dice coefficient, the overlap of two regions: 0 none, 1 full.",
    "skipped": "A metric that could not be computed here. It is listed with its reason; it counts neither for nor "
    "against the generator.",
}


def anchor(word: str) -> str:
    """Return where a word stands in the page: ``glossary-95--interval`` for ``95 % interval``."""
    return "glossary-" + "".join(letter if letter.isalnum() else "-" for letter in word.replace("%", "")).lower()
