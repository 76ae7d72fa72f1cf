"""Burned-in text: rows of small bright shapes of one height, sharp against what lies around them."""

from __future__ import annotations

import numpy as np

#: letters in a row, of such heights in pixels, that make a text
FEWEST_LETTERS, LOWEST, HIGHEST = 5, 6, 40
#: pictures with a shorter side hold no legible text
SMALLEST = 96


def text_lines(image: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Rows of letters in a picture.

    Letters are as bright as the picture gets, dark at their edges, of one height
    and on one line. One or two letters (the side marker of a radiograph) are no text.

    Args:
        image: (h, w), grey values of any scale

    Returns:
        left, top, width and height in pixels of each row
    """
    import cv2

    if min(image.shape) < SMALLEST:
        return []
    low, high = float(image.min()), float(image.max())
    if high <= low:
        return []
    grey = ((image - low) * (255 / (high - low))).astype(np.uint8)
    around = cv2.morphologyEx(grey, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    mask = ((grey > 190) & (grey.astype(int) - around > 90)).astype(np.uint8)
    n, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    left, top, width, height, area = stats[1:].T
    letter = (height >= LOWEST) & (height <= HIGHEST) & (width <= 1.5 * height) & (area >= 0.12 * width * height)
    letters = stats[1:][letter]
    letters = letters[np.argsort(letters[:, 0])]
    rows: list[list[np.ndarray]] = []
    for one in letters:
        for row in rows:
            last = row[-1]
            gap = one[0] - (last[0] + last[2])
            same_line = abs((one[1] + one[3]) - (last[1] + last[3])) <= 0.3 * last[3]
            if same_line and -1 <= gap <= 1.2 * last[3] and abs(one[3] - last[3]) <= 0.35 * last[3]:
                row.append(one)
                break
        else:
            rows.append([one])
    out = []
    for row in rows:
        if len(row) >= FEWEST_LETTERS:
            boxes = np.array(row)
            x, y = boxes[:, 0].min(), boxes[:, 1].min()
            right, bottom = (boxes[:, 0] + boxes[:, 2]).max(), (boxes[:, 1] + boxes[:, 3]).max()
            out.append((int(x), int(y), int(right - x), int(bottom - y)))
    return out
