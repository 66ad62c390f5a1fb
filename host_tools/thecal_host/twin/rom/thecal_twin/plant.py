"""The plant: motor, screw, reservoir, elastic line, catheter and battery, in integers with + - * // only.

Invariant: the state changes at edges, at ends of batches and at faults, never because somebody looked; looking is a pure
function of (state, time). All times are *world* microseconds, which run on over resets and power cuts.

The plunger is clamped to the carriage: a step back draws the same volume back from the line, whose pressure falls, so that
fluid comes back through the catheter (and air or fluid through a leak) into the reservoir. Pressure ends at a vacuum; what is
drawn beyond it is a void that fills up first. At the ends of its travel the carriage stops, and the motor loses every step.
"""

from thecal_twin.hydraulics import relax
from thecal_twin.rng import noise

# The same figures, each with its source, are in twin/data/plant.toml; a test holds the two together.
DEFAULTS = {
    "compliance_pl_per_pa": 1000,
    "catheter_pl_per_s_per_pa": 2439,
    "back_pa": 1000,
    "pressure_noise_pa": 15,
    "pressure_max_pa": 200_000,
    "battery_uc": 36_000_000_000,
    "battery_full_mv": 4150,
    "battery_knee_mv": 3550,
    "battery_empty_mv": 3000,
    "battery_noise_mv": 4,
    "battery_sag_mv": 60,
    "idle_ua": 25_000,
    "enabled_ua": 30_000,
    "step_uc": 300,
    "temperature_mc": 23_000,
    "temperature_noise_mc": 120,
    "home_steps": 400,
    "overtravel_steps": 3200,
}

VACUUM_PA = -100_000  # gauge; nothing goes below

STATE = (
    "edges",
    "edges_total",
    "screw",
    "lost",
    "lost_acc",
    "settled_pl",
    "fill_pl",
    "v_fl",
    "out_fl",
    "leak_fl",
    "t_us",
    "used_uc",
    "used_t_us",
    "used_edges",
    "en",
    "base_pl",
    "base_screw",
    "stalled",
)


class Plant:
    """What really happens. `truth` is for tests and for people; nothing that judges the firmware may be computed from it at run
    time."""

    def __init__(
        self, params: "dict[str, int]", step_pl_per_million: int, reservoir_nl: int, seed: int, stroke_steps: int = 0
    ) -> None:
        self.p = params
        self.home_at = -params.get("home_steps", 0)  # the switch is closed with the carriage there or behind; 0: a new syringe
        self.screw_min = self.home_at - params.get("overtravel_steps", 0)
        self.screw_max = self.home_at + stroke_steps + params.get("overtravel_steps", 0) if stroke_steps else 1 << 60
        self.step_plm = step_pl_per_million
        self.seed = seed
        self.occlusion = 0  # percent of the catheter's conductance lost
        self.leak = 0  # pL/s per Pa, which is nL/s per kPa
        self.lost_every = 0  # every n-th edge does not move the screw; 0: none is lost
        self.battery_mv = 0  # override; 0: none
        for name in STATE:
            setattr(self, name, 0)
        self.fill_pl = reservoir_nl * 1000
        self.v_fl = params["back_pa"] * params["compliance_pl_per_pa"] * 1000  # at rest against the static pressure

    # motion

    def step(self, edges: int, direction: int = 1) -> None:
        """`edges` rising edges reached the enabled driver."""
        self.edges_total += edges
        self.edges += edges * direction
        if self.lost_every:
            self.lost_acc += edges
            gone = self.lost_acc // self.lost_every
            self.lost_acc -= gone * self.lost_every
            self.lost += gone
            edges -= gone
        screw = self.screw + edges * direction
        if screw < self.screw_min or screw > self.screw_max:
            end = self.screw_min if screw < self.screw_min else self.screw_max
            self.stalled += abs(screw - end)
            screw = end
        self.screw = screw

    def at_home(self) -> bool:
        """The carriage presses the home switch."""
        return self.screw <= self.home_at

    def edges_to_home(self, direction: int) -> int:
        """Steps in `direction` until the home switch changes, 0 when it does not; lost steps come on top."""
        ahead = self.screw - self.home_at
        if direction < 0:
            return ahead if ahead > 0 else 0
        return 1 - ahead if ahead <= 0 else 0

    def delivered_pl(self) -> int:
        """Volume the screw has displaced since the plant was new, pL, exact; a step back takes its volume back."""
        return self.base_pl + (self.screw - self.base_screw) * self.step_plm // 1_000_000

    def _inflow_pl(self) -> int:
        """Volume displaced since the line was last settled (negative: drawn back), never more than the reservoir holds."""
        pl = self.delivered_pl()
        if pl > self.fill_pl:
            pl = self.fill_pl
        return pl - self.settled_pl

    def _look(self, from_us: int, to_us: int) -> "tuple[int, int, int]":
        """(stored, catheter, leak) in fL at `to_us`, with the unsettled inflow spread evenly from `from_us` on."""
        p = self.p
        c = p["compliance_pl_per_pa"]
        catheter = p["catheter_pl_per_s_per_pa"] * (100 - self.occlusion) // 100
        leak = self.leak
        back = p["back_pa"]
        v = self.v_fl
        out = lost = 0
        if from_us > to_us:
            from_us = to_us  # a batch that waits for its time: nothing has come yet
        if from_us > self.t_us:
            v, out, lost = relax(v, from_us - self.t_us, 0, c, catheter, leak, back)
        else:
            from_us = self.t_us
        inflow = self._inflow_pl() * 1000
        if to_us > from_us or inflow:
            v, out2, lost2 = relax(v, to_us - from_us, inflow, c, catheter, leak, back)
            out += out2
            lost += lost2
        return v, out, lost

    def settle(self, from_us: int, to_us: int) -> None:
        """Bring the line up to `to_us`; the inflow since the last time came evenly from `from_us` on."""
        if to_us < self.t_us:
            return
        v, out, lost = self._look(from_us, to_us)
        self.settled_pl += self._inflow_pl()
        self.v_fl = v
        self.out_fl += out
        self.leak_fl += lost
        self.t_us = to_us

    # battery

    def _used_uc(self, t_us: int) -> int:
        p = self.p
        ua = p["idle_ua"] + (p["enabled_ua"] if self.en else 0)
        return self.used_uc + ua * (t_us - self.used_t_us) // 1_000_000 + (self.edges_total - self.used_edges) * p["step_uc"]

    def fold_battery(self, t_us: int) -> None:
        self.used_uc = self._used_uc(t_us)
        self.used_t_us = t_us
        self.used_edges = self.edges_total

    def set_en(self, on: bool, t_us: int) -> None:
        """EN changed: from here on the driver draws, or stops drawing, its holding current."""
        self.fold_battery(t_us)
        self.en = 1 if on else 0

    def power_off_until(self, t_us: int) -> None:
        """Nothing draws current up to `t_us` (the board was without power)."""
        self.used_t_us = t_us
        self.en = 0

    def rest_battery_mv(self, t_us: int) -> int:
        """Terminal voltage without load: two straight lines, full to knee (at 10 %) to empty."""
        if self.battery_mv:
            return self.battery_mv
        p = self.p
        left = p["battery_uc"] - self._used_uc(t_us)
        if left <= 0:
            return p["battery_empty_mv"]
        knee = p["battery_uc"] // 10
        if left < knee:
            low = p["battery_empty_mv"]
            return low + (p["battery_knee_mv"] - low) * left // knee
        low = p["battery_knee_mv"]
        return low + (p["battery_full_mv"] - low) * (left - knee) // (p["battery_uc"] - knee)

    # sensors: what a firmware may see

    def read_battery_mv(self, t_us: int, moving: bool) -> int:
        mv = self.rest_battery_mv(t_us) + noise(self.seed, 1, t_us // 1000, self.p["battery_noise_mv"])
        if moving and self.en:
            mv -= self.p["battery_sag_mv"]
        return mv if mv > 0 else 0

    def read_pressure_pa(self, from_us: int, t_us: int) -> int:
        """Gauge pressure at the pump's outlet, as a cheap sensor shows it (it clips)."""
        pa = self.true_pressure_pa(from_us, t_us) + noise(self.seed, 2, t_us // 1000, self.p["pressure_noise_pa"])
        top = self.p["pressure_max_pa"]
        return -top if pa < -top else top if pa > top else pa

    def read_temperature_mc(self, t_us: int) -> int:
        return self.p["temperature_mc"] + noise(self.seed, 3, t_us // 1000, self.p["temperature_noise_mc"])

    def true_pressure_pa(self, from_us: int, t_us: int) -> int:
        return self._pa(self._look(from_us, t_us)[0])

    def _pa(self, v_fl: int) -> int:
        """Gauge pressure of a line that stores `v_fl`."""
        pa = v_fl // (self.p["compliance_pl_per_pa"] * 1000)
        return pa if pa > VACUUM_PA else VACUUM_PA

    # for people and tests

    def truth(self, from_us: int, t_us: int) -> "dict[str, int]":
        """The true state at world time `t_us`; volumes since the plant was new."""
        v, out, lost = self._look(from_us, t_us)
        left_pl = self.fill_pl - self.settled_pl - self._inflow_pl()
        return {
            "edges": self.edges,
            "edges_total": self.edges_total,
            "lost_edges": self.lost,
            "stalled_edges": self.stalled,
            "screw": self.screw,
            "delivered_pl": self.delivered_pl(),
            "delivered_nl": self.delivered_pl() // 1000,
            "catheter_out_pl": (self.out_fl + out) // 1000,
            "leak_out_pl": (self.leak_fl + lost) // 1000,
            "reservoir_nl": left_pl // 1000,
            "pressure_pa": self._pa(v),
            "battery_mv": self.rest_battery_mv(t_us),
        }

    def dump(self) -> "dict[str, int]":
        """The whole state as ints; `load` takes it back."""
        state = {name: getattr(self, name) for name in STATE}
        state["step_plm"] = self.step_plm
        return state

    def load(self, state: "dict[str, int]") -> None:
        """Take a dump back. Other mechanics since then count from here on; a reservoir never drawn from takes its new size."""
        fill_pl = self.fill_pl
        for name in STATE:
            if name in state:
                setattr(self, name, state[name])
        if not self.edges_total:
            self.fill_pl = fill_pl
        new = self.step_plm
        self.step_plm = state.get("step_plm", new)
        if self.step_plm != new:
            self.base_pl = self.delivered_pl()
            self.base_screw = self.screw
            self.step_plm = new
