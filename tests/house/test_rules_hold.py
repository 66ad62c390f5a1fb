"""The project keeps its own house rules. Each test names one rule; the samples that break it are in test_rules_bite.py."""

import pytest

from thecal_host.dev import mpy, rule_imports, rule_integers, rule_permits, rule_subset, rule_text, source


def lines(findings: "list[source.Finding]") -> str:
    return "\n".join(map(str, findings))


@pytest.fixture(scope="module")
def everything() -> "list[source.Source]":
    return source.everything()


def test_the_sources_are_found(everything: "list[source.Source]") -> None:
    modules = {one.module for one in everything}
    wanted = {"main", "thecal.core.ledger", "thecal.monitor", "thecal.drivers.motor", "thecal_host.paths", "thecal_twin.chip"}
    assert wanted <= modules, "the rules below would look at nothing"


def test_imports_go_one_way(everything: "list[source.Source]") -> None:
    assert lines(rule_imports.check(everything)) == ""


def test_no_floats_in_core_and_monitor(everything: "list[source.Source]") -> None:
    assert lines(rule_integers.check(everything)) == ""


def test_one_place_makes_permits_and_one_spends_them(everything: "list[source.Source]") -> None:
    assert lines(rule_permits.check(everything)) == ""


def test_firmware_and_plant_stay_in_the_common_subset() -> None:
    assert lines(rule_subset.check(source.on_micropython())) == ""


def test_mpy_cross_compiles_every_file_of_the_firmware_and_the_plant() -> None:
    assert lines(mpy.check()) == ""


def test_texts_are_free_of_registry_hosts_machine_paths_and_loose_ends() -> None:
    names = rule_text.files()
    assert {"Makefile", "pyproject.toml", "requirements.lock", "firmware/SPEC.md"} <= set(names)
    assert lines(rule_text.check()) == ""
