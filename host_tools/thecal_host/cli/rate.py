"""`thecal temp`, `thecal minimum`, `thecal normal`: another rate than the program's for a while. Invariant: what can be more than
the pump gives now, or than its program would give, is shown as volume and mass and confirmed; less never asks.
"""

from typing import Annotated

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.answers import Present, conclude, present
from thecal_host.cli.common import IdOption, JsonOption, PortOption, YesOption, banner, client_for, confirm, span_ms
from thecal_host.cli.failures import CliError


def temp(
    rate: Annotated[str, typer.Argument(metavar="[RATE]", help='Mass or volume per time: "20 mcg/h", "0.6 mL/day".')] = "",
    span: Annotated[str, typer.Option("--for", metavar="TIME", help='How long, e.g. "2 h" (a minute at least).')] = "",
    percent: Annotated[
        int | None,
        typer.Option("--percent", min=0, max=1000, metavar="N", help="N % of the program's rate now, in the place of RATE."),
    ] = None,
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Give a temporary rate for a while; then the program's own goes on by itself. It replaces a temporary rate that runs. The
    board refuses what would break a limit, whole."""
    if bool(rate) == (percent is not None):
        raise CliError(exit_codes.USAGE, 'Give either a rate ("20 mcg/h") or --percent N.')
    if not span:
        raise CliError(exit_codes.USAGE, 'A temporary rate needs its time: add --for "2 h".')
    ms = _span(span)
    banner(as_json)
    with client_for(port) as client:
        now = present(client)
        nl_per_day = _volume_rate(rate, now) if percent is None else _percent_of(percent, now)
        if now.fields is None or nl_per_day > min(now.status.rate_nl_per_day, *now.rates_until(ms)):
            confirm(_question(nl_per_day, ms, now, command_id), yes)
        answer = client.temp(nl_per_day, ms, command_id or None)
        done = f"Temporary rate: {now.both(nl_per_day)} for {_until(ms, now)}."
        conclude(client, answer, as_json, done, now.ng_per_ml, nl_per_day=nl_per_day, ms=ms)


def minimum(port: PortOption = "", yes: YesOption = False, command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Give the program's minimum rate until `thecal normal` (asks first if that is more than now)."""
    banner(as_json)
    with client_for(port) as client:
        now = present(client)
        lowest = int(now.fields["min_rate_nl_per_day"]) if now.fields else 0
        if lowest > now.status.rate_nl_per_day:
            confirm(f"Minimum rate of {now.both(lowest)}; now it is {now.both(now.status.rate_nl_per_day)}.", yes)
        done = f"Minimum rate: {now.both(lowest)} until `thecal normal`."
        conclude(client, client.minimum(command_id or None), as_json, done, now.ng_per_ml, nl_per_day=lowest)


def normal(port: PortOption = "", yes: YesOption = False, command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """End a temporary or minimum rate: the program's own rate again (asks first if that is more than now)."""
    banner(as_json)
    with client_for(port) as client:
        now = present(client)
        own = now.basal().scheduled(now.status.t_ms) if now.fields else 0
        if own > now.status.rate_nl_per_day:
            confirm(f"The program's rate again, {now.both(own)}; now it is {now.both(now.status.rate_nl_per_day)}.", yes)
        conclude(client, client.normal(command_id or None), as_json, f"The program's rate again: {now.both(own)}.")


def _span(text: str) -> int:
    from thecal.core.messages import HOLD_MS_MAX, TEMP_MS_MIN
    from thecal_host import texts

    ms = span_ms(text, "--for:")
    if not TEMP_MS_MIN <= ms <= HOLD_MS_MAX:
        limits = f"{texts.duration(TEMP_MS_MIN)} to {texts.duration(HOLD_MS_MAX)}"
        raise CliError(exit_codes.USAGE, f'--for: "{text}" is too short or too long for a temporary rate: {limits} are possible.')
    return ms


def _volume_rate(text: str, now: Present) -> int:
    """Whole nL/day; a mass needs the active program's concentration."""
    from thecal.core import units
    from thecal_host import unit_texts

    kinds = (units.MASS_RATE, units.VOLUME_RATE)
    try:
        quantity = units.parse(text, kinds)
        if quantity.kind == units.MASS_RATE and now.fields is None:
            raise CliError(
                exit_codes.INVALID,
                "A rate as a mass needs the concentration of an active program, and the board has none. Give a volume, or "
                "activate a program.",
            )
        return units.whole(units.to_volume(quantity, now.ng_per_ml)).value
    except units.UnitError as error:
        raise CliError(exit_codes.USAGE, f"RATE {unit_texts.sentence(error, kinds)}") from None


def _percent_of(percent: int, now: Present) -> int:
    """Whole nL/day, rounded down."""
    if now.fields is None:
        raise CliError(exit_codes.INVALID, "A percentage needs an active program, and the board has none. Give a rate.")
    return now.basal().scheduled(now.status.t_ms) * percent // 100


def _until(ms: int, now: Present) -> str:
    from thecal_host import texts

    return texts.duration(ms) + now.time.at(ms, "until")


def _question(nl_per_day: int, ms: int, now: Present, command_id: int) -> str:
    again = f" again under id {command_id}" if command_id else ""
    text = f"Temporary rate of {now.both(nl_per_day)} for {_until(ms, now)}{again}"
    if now.fields is None:
        return text + "."
    rates = now.rates_until(ms)
    own = now.both(rates[0]) if len(set(rates)) == 1 else f"{now.both(min(rates))} to {now.both(max(rates))}"
    share = f" ({nl_per_day * 100 // rates[0]} % of it)" if len(set(rates)) == 1 and rates[0] else ""
    return f"{text}; the program's own is {own}{share}."
