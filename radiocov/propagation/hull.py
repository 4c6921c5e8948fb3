"""Upper convex hulls along a radial, and maxima over ranges: what a moving receiver asks of its profile.

Abscissae are sample numbers (as floats), heights are metres. A hull is a stack from left to right in two arrays,
``hx`` and ``hy``.
"""

import numba
import numpy as np

from .fastmath import most

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
inlined = numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
# That there is no NaN among the values lets the compiler use vectors; so do slices, whose indices cannot be negative.
vectors = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"}, forceinline=True)

BLOCK = 16
SUPER = 8 * BLOCK


@inlined
def push(hx, hy, size, x, y):
    """Add (x, y) at the right end of the stack; returns the new size. Amortised O(1)."""
    while size >= 2:
        bx, by = hx[size - 1], hy[size - 1]
        # the last point stays when it lies above the chord from the one before to the new one
        if (by - hy[size - 2]) * (x - bx) > (y - by) * (bx - hx[size - 2]):
            break
        size -= 1
    hx[size] = x
    hy[size] = y
    return size + 1


@inlined
def _right_is_steeper(hx, hy, n, z, at):
    return (hy[at + 1] - z) * (n - hx[at]) >= (hy[at] - z) * (n - hx[at + 1])


@kernel
def tangent(hx, hy, size, n, z, start):
    """Position in the hull of the point with the largest (y - z) / (n - x), seen from (n, z) to its right.

    The slope rises to one maximum along the hull. ``start`` is where it was for the receiver before, usually
    within a step or two; beyond that, bisection.
    """
    low, high = 0, size - 1
    at = min(start, high)
    for _ in range(2):
        if at < high and _right_is_steeper(hx, hy, n, z, at):
            low = at = at + 1
        elif at > low and not _right_is_steeper(hx, hy, n, z, at - 1):
            high = at = at - 1
        else:
            return at
    while low < high:
        middle = (low + high) // 2
        if _right_is_steeper(hx, hy, n, z, middle):
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _right_is_higher(hx, hy, slope, at):
    return hy[at + 1] - hy[at] >= slope * (hx[at + 1] - hx[at])


@kernel
def extreme(hx, hy, size, slope, start):
    """Position in the hull of the point with the largest y - slope * x; ``start`` as in ``tangent``."""
    low, high = 0, size - 1
    at = min(start, high)
    for _ in range(2):
        if at < high and _right_is_higher(hx, hy, slope, at):
            low = at = at + 1
        elif at > low and not _right_is_higher(hx, hy, slope, at - 1):
            high = at = at - 1
        else:
            return at
    while low < high:
        middle = (low + high) // 2
        if _right_is_higher(hx, hy, slope, middle):
            low = middle + 1
        else:
            high = middle
    return low


@vectors
def _highest(y, low, s):
    """Largest ``y[k] - s (low + k)``."""
    best = -1e300
    for k in range(y.size):
        best = most(best, y[k] - s * (low + k))
    return best


@kernel
def block_maxima(y, top):
    """A line above each block of ``BLOCK`` samples, parallel to its chord, then one above each of ``SUPER`` samples.

    Height at sample 0 into ``top``, rise a sample into its second half, blocks first. Point 0, the transmitter's,
    never counts. Incomplete blocks have no line: they are always read.
    """
    n = y.size
    half = top.size // 2
    blocks = n // BLOCK
    for b in range(blocks):
        low, high = max(b * BLOCK, 1), (b + 1) * BLOCK - 1
        rise = (y[high] - y[low]) / (high - low)
        top[b] = _highest(y[low : high + 1], low, rise)
        top[half + b] = rise
    for s in range(n // SUPER):
        low, high = max(s * SUPER, 1), (s + 1) * SUPER - 1
        rise = (y[high] - y[low]) / (high - low)
        best = -np.inf
        for b in range(s * 8, s * 8 + 8):
            more = top[half + b] - rise
            best = max(best, top[b] + max(more * max(b * BLOCK, 1), more * ((b + 1) * BLOCK - 1)))
        top[blocks + s] = best
        top[half + blocks + s] = rise


@kernel
def unknown_maxima(n, top):
    """What ``block_maxima`` would leave of n samples about which nothing is known: every block is read."""
    half = top.size // 2
    count = n // BLOCK + n // SUPER
    top[:count] = np.inf
    top[half : half + count] = 0.0


@inlined
def _at_most_over(top, b, low, high, y0, s):
    """No less than the largest ``y_i - y0 - s i`` of low..high, with something for rounding."""
    more = top[top.size // 2 + b] - s
    return top[b] - y0 + max(more * low, more * high) + 1e-9


@inlined
def _cannot_win(over, square, low, high, n):
    """Whether no point of low..high with at most ``over`` above the line can exceed the best value found.

    square: of the best value where that is negative, else 0. over / sqrt(i (n - i)) is negative, and largest where
    i (n - i) is; a hair's breadth for rounding.
    """
    nearest = min(max(0.5 * n, low), high)
    return over < 0.0 and over * over > square * (nearest * (n - nearest)) * 1.0000001


@vectors
def _block_edge_parameter(y, before, behind, y0, s, low):
    """Largest edge parameter of a block that starts at ``low``.

    before, behind: 1/sqrt of the distances to both ends.
    """
    best = -1e300
    m = y.size
    for k in range(m):
        best = most(best, (y[k] - y0 - s * (low + k)) * (before[k] * behind[m - 1 - k]))
    return best


@kernel
def max_edge_parameter(y, top, n, y0, s, inv_sqrt, floor, hint):
    """Largest ``(y_i - y0 - s i) / sqrt(i (n - i))`` over 0 < i < n: ``(value, i)``, i = 0 if not above floor.

    Of equal points the first. Searched from the receiver backwards, where the maximum mostly is. A block is read
    only where its highest point, on the block's most favourable place, could beat what was found.
    ``inv_sqrt[i]`` is 1/sqrt(i); ``top`` is from ``block_maxima``; ``hint`` is a point that may be near the maximum,
    such as that of the receiver before, or 0: the result does not depend on it.
    """
    best = floor
    if 0 < hint < n:
        best = max(best, (y[hint] - y0 - s * hint) * (inv_sqrt[hint] * inv_sqrt[n - hint]))
    square = min(best, 0.0) ** 2
    found = -1
    blocks = y.size // BLOCK
    b = (n - 1) // BLOCK
    while b >= 0:
        low = max(b * BLOCK, 1)
        high = b * BLOCK + BLOCK - 1
        if high >= n:
            high = n - 1
        else:
            # a whole block of blocks at once, where one ends here
            if b % 8 == 7:
                first = max(high + 1 - SUPER, 1)
                over = _at_most_over(top, blocks + b // 8, first, high, y0, s)
                if _cannot_win(over, square, first, high, n):
                    b -= 8
                    continue
            over = _at_most_over(top, b, low, high, y0, s)
            if _cannot_win(over, square, low, high, n):
                b -= 1
                continue
        q = _block_edge_parameter(
            y[low : high + 1], inv_sqrt[low : high + 1], inv_sqrt[n - high : n - low + 1], y0, s, low
        )
        # two points are equal within rounding
        if q >= best - 1e-11 * abs(best):
            best = max(best, q)
            square = min(best, 0.0) ** 2
            found = b
        b -= 1
    if found < 0:
        return best, 0
    for i in range(max(found * BLOCK, 1), n):
        if (y[i] - y0 - s * i) * (inv_sqrt[i] * inv_sqrt[n - i]) >= best - 1e-11 * abs(best):
            return best, i
    return best, 0


@kernel
def max_above_line(y, top, first, last, y0, s):
    """Largest ``y_i - y0 - s i`` over first <= i <= last."""
    best = max(y[first] - y0 - s * first, y[last] - y0 - s * last)
    for b in range(first // BLOCK, last // BLOCK + 1):
        low = b * BLOCK
        high = low + BLOCK - 1
        if low >= first and high <= last and _at_most_over(top, b, low, high, y0, s) <= best:
            continue
        low = max(low, first)
        best = max(best, _highest(y[low : min(high, last) + 1], low, s) - y0)
    return best
