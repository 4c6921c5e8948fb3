"""Compliance of computed states with the project's policy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from radiocov import link
from radiocov.boundaries import roads_by_county
from radiocov.calibration.summary import in_words
from radiocov.coverage.results import StateResults, computed_states, open_state
from radiocov.inputs import Inputs
from radiocov.population import people_per_km2
from radiocov.problems import Problem, ProjectError
from radiocov.project import Project
from targets.compliance import Compliance, evaluate
from targets.spread import ErrorModel


def judge(inputs: Inputs, folder: Path, period: str) -> tuple[Compliance, StateResults]:
    """A policy period judged by the rasters of its state. ProjectError where either is not there."""
    if not any(p.id == period for p in inputs.policy.periods):
        known = ", ".join(p.id for p in inputs.policy.periods)
        raise ProjectError(Problem("--period", "", f'"{period}" is no period of the policy', f"choose {known}"))
    if inputs.areas is None and inputs.roads is None:
        raise ProjectError(
            Problem(inputs.project.path.name, "areas", "no areas and no roads to judge", "name a file for each")
        )
    results = open_state(folder, period)
    compliance = evaluate(
        inputs.policy, period, inputs.areas, inputs.roads, results, error=error_model(inputs.project, results),
        **counting(inputs, results),
    )  # fmt: skip
    return compliance, results


def counting(inputs: Inputs, results: StateResults) -> dict[str, Any]:
    """How people and carriageways are counted, as arguments of what judges."""
    project = inputs.project
    density = None
    if project.population_file is not None:
        density = people_per_km2(project.population_file, project.areas.population_unit, results.grid)
    return {"density": density, "carriageway_m": project.roads.carriageway_m if project.roads else 0.0}


def error_model(project: Project, results: StateResults) -> ErrorModel:
    """The error of the prediction in the parts that intervals need: common, correlated, of the pixel."""
    settings, made = project.uncertainty, results.manifest["provenance"]
    if made["calibration"] is not None:
        error = made["calibration"]["error"]
        common_db2, correlated_db2 = error["common_db2"], error["correlated_db2"]
        total = max(common_db2 + correlated_db2 + error["rest_db2"], 1e-9)
        reach_km = max(error["correlation_km"], results.grid.resolution_m / 1000.0)
        return ErrorModel(common_db2 / total, correlated_db2 / total, reach_km, settings.confidence)
    model = made["model_settings"]
    model_db2 = model["model_error_db"] ** 2
    local_db2 = link.location_variability_db(model["frequency_mhz"] / 1000.0, results.grid.resolution_m) ** 2
    common_db2 = min(settings.common_error_db**2, model_db2)
    total = max(model_db2 + local_db2, 1e-9)
    correlated = (model_db2 - common_db2) / total
    return ErrorModel(common_db2 / total, correlated, settings.correlation_km, settings.confidence)


def error_line(project: Project, results: StateResults) -> str:
    """What intervals rest on, in a line of English."""
    calibration = results.manifest["provenance"]["calibration"]
    if calibration is None:
        stated = project.uncertainty
        return (f"intervals rest on stated errors: {stated.common_error_db:g} dB common to all places, the rest of "
                f"the model's correlated over {stated.correlation_km:g} km")  # fmt: skip
    error = calibration["error"]
    return (f"intervals rest on the calibration's errors: {error['common_db2'] ** 0.5:.1f} dB common to all places, "
            f"{error['correlated_db2'] ** 0.5:.1f} dB correlated over {error['correlation_km']:.2g} km, "
            f"{error['rest_db2'] ** 0.5:.1f} dB of each pixel")  # fmt: skip


def judge_all(inputs: Inputs, folder: Path, wanted: Sequence[str] = ()) -> list[tuple[Compliance, StateResults]]:
    """The periods wanted, or all of the policy that are computed; ProjectError where there is none.

    Roads that name no county get it from the boundaries, here and for whatever uses the inputs next.
    """
    inputs.roads = roads_by_county(inputs)
    there = computed_states(folder)
    periods = list(wanted) or [p.id for p in inputs.policy.periods if p.id in there]
    # judging one that is not there says what is missing
    return [judge(inputs, folder, period) for period in periods or [inputs.policy.periods[0].id]]


COARSE_M = 100.0  # ground coarser than this hides single hills


def coarse_warning(results: StateResults) -> tuple[str, str] | None:
    """In English and Chinese, where the ground is too coarse to prove anything by; else None."""
    sources = results.manifest["provenance"]["ground"]["elevation"]["sources"]
    step = max([results.grid.resolution_m, *(s["native_step_m"] for s in sources)])
    if step <= COARSE_M:
        return None
    return (
        f"Coarse ground: heights every {step:.0f} m, so single hills are missing. Good for an overview, not a proof.",
        f"地形数据较粗：高程间隔约 {step:.0f} 米，个别山头未体现。仅供总体参考，不能作为覆盖证明。",
    )


def terrain_words(ground: dict[str, Any]) -> str:
    """What the ground was made from, by its provenance: the user's words, else the names of the files."""
    return ground["source"] or ", ".join(s["file"] for s in ground["elevation"]["sources"])


def origin(results: StateResults) -> dict[str, Any]:
    """Where figures come from, for everything that shows them."""
    made = results.manifest["provenance"]
    ground = made["ground"]
    return {
        "model": made["model_version"],
        "resolution_m": made["resolution_m"],
        "terrain": terrain_words(ground),
        "synthetic": made["synthetic"],
        "radius_km": made["model_settings"]["radius_km"],
        "calibration": made["calibration"],
        "network_on": results.manifest["date"],
        "computed": results.manifest["computed"],
        "radiocov": made["radiocov"],
        "warning": (coarse_warning(results) or (None,))[0],
    }


def origin_line(results: StateResults) -> str:
    """The same in one line of English, and a second one where the ground is coarse."""
    o = origin(results)
    coarse = coarse_warning(results)
    kind = "SYNTHETIC terrain" if o["synthetic"] else "terrain"
    return (
        f"{o['model']} within {o['radius_km']:g} km, {in_words(o['calibration'])}; {kind}: {o['terrain']}, "
        f"{o['resolution_m']:g} m pixels; network on {o['network_on']}; computed {o['computed'][:10]}; "
        f"radiocov {o['radiocov']}"
        + (f"\n{coarse[0]}" if coarse else "")
    )
