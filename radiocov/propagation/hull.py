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
    """Maxima of y over whole blocks of ``BLOCK`` into ``top[:n // BLOCK]``, then over blocks of ``SUPER`` behind.

    Point 0, the transmitter's, never counts. Incomplete blocks are not stored: they are always read.
    """
    n = y.size
    blocks = n // BLOCK
    for b in range(blocks):
        top[b] = _highest(y[max(b * BLOCK, 1) : (b + 1) * BLOCK], 0.0, 0.0)
    for s in range(n // SUPER):
        best = -np.inf
        for b in range(s * 8, s * 8 + 8):
            best = max(best, top[b])
        top[blocks + s] = best


@inlined
def _cannot_win(over, best, low, high, n):
    """Whether no point of low..high with at most ``over`` above the line can exceed ``best`` (see below)."""
    if over >= 0.0:
        return False
    if best >= 0.0:
        return True
    half = 0.5 * n
    nearest = min(max(half, low), high)
    # over / sqrt(i (n - i)) is largest where i (n - i) is; a hair's breadth for rounding
    return over * over > best * best * (nearest * (n - nearest)) * 1.0000001


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
def max_edge_parameter(y, top, n, y0, s, inv_sqrt, floor):
    """Largest ``(y_i - y0 - s i) / sqrt(i (n - i))`` over 0 < i < n: ``(value, i)``, i = 0 if not above floor.

    Of equal points the first. Searched from the receiver backwards, where the maximum mostly is. A block is read
    only where its highest point, on the block's most favourable place, could beat what was found.
    ``inv_sqrt[i]`` is 1/sqrt(i); ``top`` is from ``block_maxima``.
    """
    best = floor
    found = -1
    blocks = y.size // BLOCK
    b = (n - 1) // BLOCK
    while b >= 0:
        low = b * BLOCK
        high = low + BLOCK - 1
        if high > n - 1:
            high = n - 1
        else:
            # a whole block of blocks at once, where one ends here
            if b % 8 == 7:
                first = low + BLOCK - SUPER
                over = top[blocks + b // 8] - y0 - min(s * first, s * high)
                if _cannot_win(over, best, max(first, 1), high, n):
                    b -= 8
                    continue
            over = top[b] - y0 - min(s * low, s * high)
            if _cannot_win(over, best, max(low, 1), high, n):
                b -= 1
                continue
        low = max(low, 1)
        q = _block_edge_parameter(
            y[low : high + 1], inv_sqrt[low : high + 1], inv_sqrt[n - high : n - low + 1], y0, s, low
        )
        # two points are equal within rounding
        if q >= best - 1e-11 * abs(best):
            best = max(best, q)
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
        if low >= first and high <= last and top[b] - y0 - min(s * low, s * high) <= best:
            continue
        low = max(low, first)
        best = max(best, _highest(y[low : min(high, last) + 1], low, s) - y0)
    return best
