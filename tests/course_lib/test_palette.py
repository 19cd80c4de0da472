"""The palette is legible on white and told apart by everyone: computed, not believed.

Colour blindness is simulated with the matrices of Machado, Oliveira and Fernandes (2009) for
full severity, in linear RGB; differences are CIEDE2000, where 2 is the least that a trained eye
sees side by side. Contrast is WCAG 2's, which asks 3 of lines and symbols and 4.5 of words.
"""

from itertools import combinations

import numpy as np
import pytest

from course_lib.beats import AZURE, BEATS, BROWN, GREY, INK, LOOP, ORANGE, SKY, YELLOW

WHITE = "#FFFFFF"
#: JupyterLab's dark theme, behind the symbols of a check.
DARK = "#111111"
#: Behind words in pictures.
TINTS = (WHITE, "#F3F3F3", "#E3F5EE")
LINES = {beat.name: beat.color for beat in BEATS} | {
    "grey": GREY,
    "ink": INK,
    "azure": AZURE,
    "brown": BROWN,
}
#: Far beyond what is seen at all, and yet met by four hues at once for all three types.
LEAST_DIFFERENCE = 10

SIGHTS = {
    "normal": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE_POINT = np.array([0.95047, 1.0, 1.08883])


def linear(color: str) -> np.ndarray:
    """``#RRGGBB`` as linear red, green and blue from 0 to 1."""
    encoded = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of the relative luminances, 1 to 21."""
    dark, light = sorted(float(_TO_XYZ[1] @ linear(color)) for color in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = _TO_XYZ @ rgb.clip(0, 1) / _WHITE_POINT
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """CIEDE2000 between two colours in CIELAB."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25**7))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1 = np.degrees(np.arctan2(b1, a1 * stretch)) % 360
    h2 = np.degrees(np.arctan2(b2, a2 * stretch)) % 360
    turn = (h2 - h1 + 180) % 360 - 180
    lightness, chroma, hue = (l1 + l2) / 2, (c1 + c2) / 2, (h1 + turn / 2) % 360
    t = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    in_lightness = (l2 - l1) / (
        1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    )
    in_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    in_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * t)
    rotation = (
        -2
        * np.sqrt(chroma**7 / (chroma**7 + 25**7))
        * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    )
    return float(
        np.sqrt(in_lightness**2 + in_chroma**2 + in_hue**2 + rotation * in_chroma * in_hue)
    )


def nearest(colors: dict[str, str], sight: str) -> tuple[float, str, str]:
    """The least difference between two of the colours as this sight sees them, and which two."""
    seen = {name: lab(SIGHTS[sight] @ linear(color)) for name, color in colors.items()}
    return min((difference(seen[a], seen[b]), a, b) for a, b in combinations(seen, 2))


def test_the_difference_is_the_published_one() -> None:
    # Three pairs of the table of Sharma, Wu and Dalal (2005), which covers the formula's corners.
    for one, other, published in (
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ):
        assert difference(np.array(one), np.array(other)) == pytest.approx(published, abs=1e-4)


@pytest.mark.parametrize("sight", SIGHTS)
def test_beats_and_other_lines_are_told_apart(sight: str) -> None:
    least, one, other = nearest({k: v for k, v in LINES.items() if k != "grey"}, sight)
    assert least >= LEAST_DIFFERENCE, f"{one} and {other}"


def test_a_careless_palette_would_be_noticed() -> None:
    assert nearest({"red": "#D62728", "green": "#2CA02C"}, "normal")[0] > 50
    assert nearest({"red": "#C44E52", "green": "#8A7A2C"}, "deutan")[0] < LEAST_DIFFERENCE


@pytest.mark.parametrize("name", LINES)
def test_lines_and_symbols_stand_out_from_white(name: str) -> None:
    assert contrast(LINES[name], WHITE) >= 3


@pytest.mark.parametrize("beat", LOOP, ids=lambda beat: beat.name)
def test_a_beat_is_legible_wherever_it_stands(beat) -> None:
    assert contrast(beat.color, DARK) >= 3
    for tint in TINTS:
        assert contrast(beat.ink, tint) >= 4.5


def test_the_light_colours_are_for_areas_with_dark_words_on_them() -> None:
    for color in (SKY, ORANGE, YELLOW):
        assert contrast(color, WHITE) < 3
        assert contrast(INK, color) >= 4.5
