"""Pressure in an elastic line with a catheter and a leak: the closed-form answer for one interval of even inflow.

    C dP/dt = q - Gc (P - Pb) - Gl P        C pL/Pa, G pL/(s Pa), volumes in fL (1/1000 pL), time in us

Invariant: volume is conserved to the last fL: what went in is in the line, out of the catheter, or out of the leak.
Any length of interval costs the same, so a long idle gap is as cheap as a short one.
"""

ONE = 1 << 24


def decay(rate: int, compliance: int, dt_us: int) -> int:
    """exp(-rate / compliance * dt) as a fraction of ONE; rate in pL/(s Pa), compliance in pL/Pa."""
    rate *= dt_us
    compliance *= 1_000_000
    if rate >= 17 * compliance:
        return 0
    x = rate * ONE // compliance
    y = x // 64
    y2 = y * y // ONE
    e = ONE - y + y2 // 2 - y2 * y // ONE // 6 + y2 * y2 // ONE // 24
    for _ in range(6):
        e = e * e // ONE
    return e


def relax(
    v_fl: int, dt_us: int, inflow_fl: int, compliance: int, catheter: int, leak: int, back_pa: int
) -> "tuple[int, int, int]":
    """One interval: returns (stored volume after it, out of the catheter, out of the leak), all in fL.

    `v_fl` is the volume stored above zero pressure before it. The catheter flow is negative when the line is below `back_pa`.
    """
    g = catheter + leak
    if dt_us <= 0 or g == 0:
        return v_fl + inflow_fl, 0, 0
    drive = catheter * back_pa
    rest = (inflow_fl * 1_000_000 // dt_us + drive * 1000) * compliance // g
    after = rest + (v_fl - rest) * decay(g, compliance, dt_us) // ONE
    total = v_fl + inflow_fl - after
    leaked = leak * (total + drive * dt_us // 1000) // g if leak else 0
    return after, total - leaked, leaked
