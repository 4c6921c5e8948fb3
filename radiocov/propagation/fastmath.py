"""Elementary functions that a compiler can vectorise.

numba's own ``math.log10`` and friends are calls into a scalar library and keep a loop over receivers scalar.
These are straight arithmetic (no branch, no table, no call), so that LLVM turns a loop over them into vector
instructions. Arguments are finite; logarithms take positive normal numbers. Relative error below 1e-14 over
the ranges stated, held by ``tests/propagation/test_fastmath.py``.

Coefficients: Chebyshev interpolation of each function's series remainder on the reduced range.
"""

import math

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

inlined = numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)

_TWO_52 = 4503599627370496.0
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer held in the low bits
LOG10_2 = 0.30102999566398120
LOG2_E = 1.4426950408889634
LOG2_10 = 3.3219280948873623
LN_2 = 0.6931471805599453
GENTLE = 0.41421356237309503  # tan(22.5 deg)


@intrinsic
def _bits(typingctx, x):
    """The bit pattern of a float64 as int64."""

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _float(typingctx, x):
    """The float64 with the bit pattern of an int64."""

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


def _reducible(name):
    """An LLVM intrinsic of two float64. numba's own min and max keep a loop that reduces with them scalar."""

    @intrinsic
    def function(typingctx, x, y):
        def generate(context, builder, signature, args):
            kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), ir.DoubleType()])
            callee = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
            return builder.call(callee, args)

        return types.float64(types.float64, types.float64), generate

    return function


least = _reducible("llvm.minnum.f64")
most = _reducible("llvm.maxnum.f64")


@inlined
def log2(x):
    """Binary logarithm of a positive normal number."""
    shifted = _bits(x) - 0x3FE6A09E667F3BCD  # sqrt(1/2): the mantissa lands in [sqrt(1/2), sqrt(2))
    exponent = shifted >> 52
    m = _float((shifted & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD)
    # int64 -> float64 by bits: the conversion instruction does not vectorise below AVX-512
    e = _float((exponent + 2048) | 0x4330000000000000) - (_TWO_52 + 2048.0)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = 0.07308224842521703
    p = p * z + 0.07665860800278021
    p = p * z + 0.09091444562630861
    p = p * z + 0.1111110556739754
    p = p * z + 0.14285714312987743
    p = p * z + 0.19999999999949752
    p = p * z + 0.3333333333333335
    return e + (2.0 * LOG2_E) * (s + s * z * p)


@inlined
def log10(x):
    return LOG10_2 * log2(x)


@inlined
def log(x):
    return LN_2 * log2(x)


@inlined
def exp2(x):
    """2**x, held within the range of normal numbers."""
    x = x if x > -1021.0 else -1021.0
    x = x if x < 1023.0 else 1023.0
    r = x + _ROUND
    f = x - (r - _ROUND)
    p = 7.072585949269223e-09
    p = p * f + 1.0208690299958306e-07
    p = p * f + 1.321544258792169e-06
    p = p * f + 1.5252657260200837e-05
    p = p * f + 0.0001540353044173605
    p = p * f + 0.0013333558230164974
    p = p * f + 0.009618129107606888
    p = p * f + 0.05550410866444772
    p = p * f + 0.24022650695910097
    p = p * f + 0.69314718055995
    p = p * f + 1.0
    return _float(_bits(p) + ((_bits(r) - 0x4338000000000000) << 52))


@inlined
def exp(x):
    return exp2(LOG2_E * x)


@inlined
def exp10(x):
    return exp2(LOG2_10 * x)


@inlined
def power(x, y):
    """x**y for x > 0."""
    return exp2(y * log2(x))


@inlined
def tanh(x):
    """Absolute error below 1e-15; the models use 1 +- tanh."""
    return 1.0 - 2.0 / (1.0 + exp2((2.0 * LOG2_E) * x))


@inlined
def asin(x):
    """Arc sine for -1 <= x <= 1."""
    a = abs(x)
    far = a > 0.5
    z = 0.5 * (1.0 - a) if far else a * a
    s = math.sqrt(z) if far else a
    p = 0.028757851367421566
    p = p * z - 0.014851887071247204
    p = p * z + 0.01740087944269402
    p = p * z + 0.005457506718640358
    p = p * z + 0.01032281435018578
    p = p * z + 0.011479177415184906
    p = p * z + 0.013971212973552933
    p = p * z + 0.017352392720869973
    p = p * z + 0.02237217294214989
    p = p * z + 0.030381944138531247
    p = p * z + 0.04464285714635543
    p = p * z + 0.07499999999998433
    p = p * z + 0.16666666666666669
    r = s + s * z * p
    r = 0.5 * math.pi - 2.0 * r if far else r
    return math.copysign(r, x)


@inlined
def small_sin(x):
    """Sine for |x| <= pi/6."""
    z = x * x
    p = 1.5996267155672774e-10
    p = p * z - 2.5051914884745128e-08
    p = p * z + 2.755731894899418e-06
    p = p * z - 0.0001984126984109317
    p = p * z + 0.008333333333333292
    p = p * z - 0.16666666666666666
    return x + x * z * p


@inlined
def atan_of_gentle(x):
    """Arc tangent of -GENTLE to GENTLE, without a division."""
    z = x * x
    p = -0.01917688711906226
    p = p * z + 0.03923165829558719
    p = p * z - 0.0508544973794026
    p = p * z + 0.0585814891280221
    p = p * z - 0.06664511447381948
    p = p * z + 0.07692183190826087
    p = p * z - 0.09090904578123903
    p = p * z + 0.11111111015256361
    p = p * z - 0.14285714284666542
    p = p * z + 0.1999999999999552
    p = p * z - 0.3333333333333333
    return x + x * z * p


@inlined
def atan(x):
    """Arc tangent."""
    a = abs(x)
    steep = a > 2.414213562373095
    middle = a > GENTLE
    t = -1.0 / a if steep else ((a - 1.0) / (a + 1.0) if middle else a)
    base = 0.5 * math.pi if steep else (0.25 * math.pi if middle else 0.0)
    return math.copysign(base + atan_of_gentle(t), x)
