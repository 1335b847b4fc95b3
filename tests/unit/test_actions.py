"""Actions: closed form of the isochrone, the value-added catalogue's recipe, geometry, quiet imports."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import ICRS, Galactic
from astropy.table import Column, MaskedColumn

from xpsvae.catalog.actions import actions, cylindrical, focal_length, staeckel_actions
from xpsvae.errors import InputError

PROJECT = Path(__file__).parents[2]
R0, V0 = 8.125, 220.0


def stars(n=300, seed=3):
    """Observables of a disc and a radially anisotropic halo near the Sun."""
    rng = np.random.default_rng(seed)
    distance = rng.uniform(0.1, 4.0, n)
    halo = rng.random(n) < 0.3
    tangential = np.where(halo, 200.0, 40.0) * rng.standard_normal((2, n))
    pmra, pmdec = tangential / (4.740470463533349 * distance)
    return {
        "ra": rng.uniform(0, 360, n),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "distance": distance,
        "pmra": pmra,
        "pmdec": pmdec,
        "radial_velocity": np.where(halo, 150.0, 40.0) * rng.standard_normal(n),
    }


def bound_phase_space(n=400, seed=5):
    rng = np.random.default_rng(seed)
    radius, z = rng.uniform(3, 14, n), rng.normal(0, 1.5, n)
    v_r, v_z = rng.normal(0, 60, n), rng.normal(0, 40, n)
    v_t = np.where(rng.random(n) < 0.8, rng.normal(190, 40, n), rng.normal(0, 60, n))
    return radius, v_r, v_t, z, v_z


def isochrone_actions(radius, v_r, v_t, z, v_z, mass, scale):
    """Evaluate the closed form (Binney & Tremaine 2008, 3.5.2) for -mass / (scale + sqrt(scale^2 + r^2))."""
    position = np.stack([radius, np.zeros_like(radius), z])
    velocity = np.stack([v_r, v_t, v_z])
    momentum = np.linalg.norm(np.cross(position, velocity, axis=0), axis=0)
    l_z = radius * v_t
    distance = np.hypot(radius, z)
    energy = (velocity**2).sum(axis=0) / 2 - mass / (scale + np.sqrt(scale**2 + distance**2))
    energy[energy >= 0] = np.nan  # unbound
    j_r = mass / np.sqrt(-2 * energy) - (momentum + np.sqrt(momentum**2 + 4 * mass * scale)) / 2
    return j_r, l_z, momentum - np.abs(l_z)


@pytest.mark.parametrize("delta", [None, 1e-3])
def test_closed_form_of_the_isochrone(delta):
    from galpy.actionAngle import actionAngleIsochrone
    from galpy.potential import IsochronePotential

    scale, mass = 0.6, 2.2  # natural units: [r0], [r0 v0^2]
    phase_space = bound_phase_space()
    j_r, l_z, j_z = staeckel_actions(
        *phase_space, r0=R0, v0=V0, delta=delta, potential=IsochronePotential(amp=mass, b=scale)
    )
    exact = isochrone_actions(*phase_space, mass * R0 * V0**2, scale * R0)
    total = sum(np.abs(action) for action in exact)
    bound = np.isfinite(exact[0])
    assert 390 < bound.sum() < 400
    for found, expected in zip((j_r, l_z, j_z), exact, strict=True):
        np.testing.assert_array_equal(np.isfinite(found), bound)
        assert (np.abs(found - expected) < 5e-6 * total)[bound].all()
    units = np.array([R0, V0, V0, R0, V0])
    library = actionAngleIsochrone(ip=IsochronePotential(amp=mass, b=scale))(
        *(values / unit for values, unit in zip(phase_space, units, strict=True))
    )
    for found, expected in zip(exact, library, strict=True):
        np.testing.assert_allclose(found[bound], expected[bound] * R0 * V0, rtol=1e-9, atol=1e-6)


def by_hand(sample, z_sun, solar_motion):
    """Galactocentric cylinder from astropy's Galactic frame and one rotation about the y axis."""
    coordinates = ICRS(
        ra=sample["ra"] * u.deg,
        dec=sample["dec"] * u.deg,
        distance=sample["distance"] * u.kpc,
        pm_ra_cosdec=sample["pmra"] * u.mas / u.yr,
        pm_dec=sample["pmdec"] * u.mas / u.yr,
        radial_velocity=sample["radial_velocity"] * u.km / u.s,
    ).transform_to(Galactic())
    position = coordinates.cartesian.xyz.to_value(u.kpc)
    velocity = coordinates.velocity.d_xyz.to_value(u.km / u.s)
    tilt = np.arcsin(z_sun / np.hypot(R0, z_sun))
    rotation = np.array(
        [[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]]
    )  # the line to the centre, b = 0, points below the plane
    x, y, z = rotation @ (position - np.array([[np.hypot(R0, z_sun)], [0], [0]]))
    sun = np.add(solar_motion, (0, V0, 0))
    v_x, v_y, v_z = rotation @ velocity + sun[:, None]
    radius = np.hypot(x, y)
    return radius, (x * v_x + y * v_y) / radius, (y * v_x - x * v_y) / radius, z, v_z


def test_geometry():
    sample = stars()
    sun = {"z_sun": 0.3, "solar_motion": (12.0, 20.0, -9.0)}  # large, so that each term matters
    found = cylindrical(**sample, r0=R0, v0=V0, **sun)
    for ours, expected in zip(found, by_hand(sample, **sun), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=2e-3)


def test_star_moving_with_the_circular_velocity_at_the_sun():
    """It stands near the Sun and undoes the Sun's motion: J_R = J_z = 0 but for its height."""
    u_sun, v_sun, w_sun = (11.1, 25.7, 7.25)
    distance = 1e-4
    # towards l = 90, b = 0: the line of sight is the direction of rotation, proper motions are U and W
    coordinates = Galactic(
        l=90 * u.deg,
        b=0 * u.deg,
        distance=distance * u.kpc,
        pm_l_cosb=(u_sun / distance / 4.740470463533349) * u.mas / u.yr,
        pm_b=(-w_sun / distance / 4.740470463533349) * u.mas / u.yr,
        radial_velocity=-v_sun * u.km / u.s,
    ).transform_to(ICRS())
    j_r, l_z, j_z = actions(
        np.array([coordinates.ra.deg]),
        np.array([coordinates.dec.deg]),
        np.array([coordinates.pm_ra_cosdec.value]),
        np.array([coordinates.pm_dec.value]),
        np.array([coordinates.radial_velocity.value]),
        distance=np.array([distance]),
        z_sun=0.0,
    )
    assert l_z[0] == pytest.approx(R0 * V0, rel=1e-4)
    assert abs(j_r[0]) < 0.01 and abs(j_z[0]) < 0.01


@pytest.fixture(scope="module")
def catalogue_recipe():
    """Go the value-added catalogue's way: galpy orbits from observables, one focal length a star."""
    from galpy.actionAngle import actionAngleStaeckel, estimateDeltaStaeckel
    from galpy.orbit import Orbit
    from galpy.potential import MWPotential2014, evaluatePotentials

    sample = stars()
    observed = np.stack(list(sample.values()), axis=1)
    orbits = Orbit(observed, radec=True, ro=R0, vo=V0, zo=0.0208, solarmotion=[-11.1, 25.7, 7.25])
    physical = [getattr(orbits, name)() for name in ("R", "vR", "vT", "z", "vz")]
    phase_space = [p / s for p, s in zip(physical, (R0, V0, V0, R0, V0), strict=True)]
    delta = estimateDeltaStaeckel(MWPotential2014, phase_space[0], phase_space[3].copy(), no_median=True)
    recipe = actionAngleStaeckel(pot=MWPotential2014, delta=0.45, c=True)
    found = np.stack(recipe(*phase_space, delta=delta))
    energy = evaluatePotentials(MWPotential2014, phase_space[0], phase_space[3])
    energy += sum(phase_space[i] ** 2 for i in (1, 2, 4)) / 2
    # this potential is zero in the centre, not at infinity
    return sample, phase_space, delta, found * R0 * V0, energy - evaluatePotentials(MWPotential2014, 1e8, 0.0)


def test_recipe_of_the_value_added_catalogue(catalogue_recipe):
    sample, phase_space, delta, expected, energy = catalogue_recipe
    from galpy.potential import MWPotential2014

    ours = focal_length(MWPotential2014, phase_space[0], phase_space[3])
    np.testing.assert_allclose(ours, delta, rtol=1e-10)
    # an apocentre of 45 r0 is as far as galpy looks
    well_bound = energy < -0.4
    assert well_bound.sum() > 250
    found = np.stack(actions(**sample))
    np.testing.assert_allclose(found[:, well_bound], expected[:, well_bound], rtol=1e-6, atol=1e-3)


def test_unbound_stars_and_missing_inputs_are_null(catalogue_recipe):
    sample, _, _, expected, energy = catalogue_recipe
    found = np.stack(actions(**sample))
    unbound = energy >= 0
    assert (expected[0, unbound] == 9999.99 * R0 * V0).all() and unbound.sum() > 5
    assert np.isnan(found[:, unbound]).all()
    assert (np.isnan(found).sum(axis=0) % 3 == 0).all()
    for name in sample:
        spoiled = {column: values.copy() for column, values in sample.items()}
        spoiled[name][7] = np.nan
        assert np.isnan(actions(**spoiled)).all(axis=0)[7]
    spoiled = {column: values.copy() for column, values in sample.items()}
    spoiled["distance"][:2] = 0.0, -9999.0
    again = np.stack(actions(**spoiled))
    assert np.isnan(again[:, :2]).all()
    np.testing.assert_array_equal(again[:, 2:], found[:, 2:])
    nothing = actions(**{column: np.full(3, np.nan) for column in sample})
    assert np.isnan(nothing).all()


def test_fixed_focal_length_and_parallax():
    sample = stars()
    free = np.stack(actions(**sample))
    fixed = np.stack(actions(**sample, delta=0.45 * R0))
    good = np.isfinite(free[0])
    np.testing.assert_allclose(fixed[1], free[1])
    change = np.abs(fixed[0, good] - free[0, good]) / np.abs(free[:, good]).sum(axis=0)
    assert 1e-4 < change.max() and np.median(change) < 0.02
    distance = sample.pop("distance")
    np.testing.assert_allclose(actions(**sample, parallax=1 / distance), free, rtol=1e-7, atol=1e-6)
    unusable = np.r_[0.0, -0.3, np.nan, 1 / distance[3:]]
    assert np.isnan(actions(**sample, parallax=unusable)[1])[:3].all()


@pytest.mark.parametrize(
    "change, says",
    [
        ({"parallax": np.ones(300)}, "either the distance or the parallax"),
        ({"distance": None}, "either the distance or the parallax"),
        ({"ra": np.zeros(2)}, r"one length.*ra \(2,\)"),
        ({"r0": 0.0}, "r0 is 0.0 kpc"),
        ({"v0": float("nan")}, "v0 is nan km/s"),
        ({"delta": -1.0}, "delta is -1.0 kpc"),
    ],
)
def test_bad_arguments(change, says):
    with pytest.raises(InputError, match=says):
        actions(**{**stars(), **change})


GUARD = """
import os, socket, subprocess

def refuse(*args, **kwargs):
    with open(os.environ["CALLS"], "a") as calls:
        print(*args, file=calls)
    raise OSError("no network here")

socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
run = subprocess.run
subprocess.run = lambda command, *args, **kw: (refuse if "pip" in command else run)(command, *args, **kw)
"""


def calls_of(statement, folder, scratch):
    """List the connections and pip runs that a statement, or a process it starts, tries in a folder."""
    scratch.mkdir()
    (scratch / "sitecustomize.py").write_text(GUARD)
    calls = scratch / "calls"
    calls.touch()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", statement],
        cwd=folder,
        env={**os.environ, "HOME": str(scratch), "PYTHONPATH": str(scratch), "CALLS": str(calls)},
        check=True,
    )
    return calls.read_text().splitlines()


def test_importing_galpy_calls_nobody(tmp_path):
    # the guard does catch what galpy does on its own
    assert calls_of("import galpy", tmp_path, tmp_path / "first")
    # from the project's folder, whoever imports it
    before = (PROJECT / ".galpyrc").read_bytes()
    assert calls_of("import galpy.potential", PROJECT, tmp_path / "second") == []
    assert (PROJECT / ".galpyrc").read_bytes() == before
    # from anywhere through this package
    statement = (
        "import os; from xpsvae.catalog.actions import actions; here = os.getcwd();"
        "actions([10.], [20.], [1.], [2.], [3.], distance=[1.]); assert os.getcwd() == here"
    )
    assert calls_of(statement, tmp_path, tmp_path / "third") == []


def test_a_masked_value_is_nan_and_units_are_converted():
    sample = stars(20)
    expected = np.stack(actions(**sample))
    masked = {name: np.ma.array(values, mask=False) for name, values in sample.items()}
    for row, name in enumerate(sample):
        masked[name][row] = np.ma.masked
    found = np.stack(actions(**masked))
    assert np.isnan(found[:, : len(sample)]).all()
    np.testing.assert_array_equal(found[:, len(sample) :], expected[:, len(sample) :])
    with_units = {
        "ra": np.radians(sample["ra"]) * u.rad,
        "dec": Column(sample["dec"] * 60, unit="arcmin"),
        "distance": sample["distance"] * 1000 * u.pc,
        "pmra": sample["pmra"] / 1000 * u.arcsec / u.yr,
        "pmdec": MaskedColumn(sample["pmdec"], unit="mas / yr"),
        "radial_velocity": sample["radial_velocity"] * 1000 * u.m / u.s,
    }
    scales = {"r0": 8125 * u.pc, "v0": 220 * u.km / u.s, "z_sun": 20.8 * u.pc}
    np.testing.assert_allclose(np.stack(actions(**with_units, **scales)), expected, rtol=1e-6, atol=1e-6)
    del with_units["distance"]
    parallax = 1e3 / sample["distance"] * u.uas
    np.testing.assert_allclose(
        np.stack(actions(**with_units, parallax=parallax)), expected, rtol=1e-6, atol=1e-6
    )
    for ours, theirs in zip(
        staeckel_actions(*(column * unit for column, unit in zip(cylindrical(**sample), UNITS, strict=True))),
        expected,
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


UNITS = (u.kpc, u.km / u.s, u.km / u.s, u.kpc, u.km / u.s)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"distance": [1.0] * u.mas}, "distance is in mas, but must be in kpc"),
        ({"pmra": [1.0] * u.deg}, "pmra is in deg, but must be in mas / yr"),
        ({"ra": np.array([True])}, "ra holds truth values"),
        ({"radial_velocity": np.array([1j])}, "radial_velocity holds complex numbers"),
        ({"radial_velocity": ["12"]}, "radial_velocity holds text"),
        ({"r0": 8 * u.s}, "r0 is in s, but must be in kpc"),
        ({"r0": [8.0]}, r"r0 has shape \(1,\) where one number"),
        ({"delta": 3 * u.km / u.s}, "delta is in km / s, but must be in kpc"),
        ({"dec": [1.0, 2.0]}, "columns of one length"),
    ],
)
def test_other_units_and_kinds_are_refused(changed, says):
    one = {"ra": [10.0], "dec": [20.0], "distance": [1.0], "pmra": [3.0], "pmdec": [-5.0]}
    with pytest.raises(InputError, match=says):
        actions(**(one | {"radial_velocity": [12.0]} | changed))
