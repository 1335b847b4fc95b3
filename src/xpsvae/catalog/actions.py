"""Actions of stars in an axisymmetric Galaxy: J_R, L_z and J_z in kpc km/s, by the Staeckel approximation.

Potential, Sun and focal lengths default to those of the astroNN value-added catalogue. What cannot be had
(an input missing or masked, a star unbound or nearly so) is NaN, in all three actions. What has units, as
columns of astropy may, is converted.
"""

import contextlib
import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np

from xpsvae.arrays import plain
from xpsvae.errors import InputError

__all__ = ["actions", "cylindrical", "focal_length", "staeckel_actions"]

# astroNN value-added catalogue of APOGEE DR17
_R0 = 8.125  # [kpc] GRAVITY Collaboration (2018)
_V0 = 220.0  # [km/s] circular velocity at R0 that MWPotential2014 is scaled to
_Z_SUN = 0.0208  # [kpc] Bennett & Bovy (2019)
_SOLAR_MOTION = (11.1, 25.7, 7.25)  # [km/s] towards the centre, with the rotation beyond v0, to the north

_UNITS = {
    **dict.fromkeys(("ra", "dec"), "deg"),
    **dict.fromkeys(("pmra", "pmdec"), "mas / yr"),
    **dict.fromkeys(("radial_velocity", "v_r", "v_t", "v_z"), "km / s"),
    **dict.fromkeys(("distance", "radius", "z"), "kpc"),
}
_UNBOUND = 9999.99  # what galpy's C code returns, also where the apocentre is beyond some 45 r0
_SMALLEST_DELTA = 1e-6  # [r0] the Staeckel formulae need some focal length even where a potential is round
_SMALLEST_Z = 1e-4  # [r0] in the plane itself the focal length is 0 / 0


def actions(
    ra,
    dec,
    pmra,
    pmdec,
    radial_velocity,
    *,
    distance=None,
    parallax=None,
    r0=_R0,
    v0=_V0,
    z_sun=_Z_SUN,
    solar_motion=_SOLAR_MOTION,
    delta=None,
):
    """Actions of stars from what is observed of them, in galpy's MWPotential2014 (Bovy 2015).

    Parameters
    ----------
    ra, dec : array (n,)
        ICRS [deg].
    pmra, pmdec : array (n,)
        Proper motion, pmra with cos(dec) in it [mas/yr].
    radial_velocity : array (n,)
        Heliocentric [km/s].
    distance, parallax : array (n,)
        One of them: [kpc], or [mas] of which the inverse is taken.
    r0 : float
        Distance of the Sun from the Galaxy's axis [kpc].
    v0 : float
        Circular velocity at r0 [km/s].
    z_sun : float
        Height of the Sun above the plane [kpc].
    solar_motion : three floats
        Motion of the Sun against the circular velocity at r0: towards the centre, in the direction of
        rotation, to the north pole [km/s].
    delta : float, optional
        Focal length for all stars [kpc]; one for each star (`focal_length`) if not given.

    Returns
    -------
    j_r, l_z, j_z : array (n,)
        Radial action, angular momentum (positive with the rotation) and vertical action [kpc km/s]. NaN for
        unbound stars (and if the apocentre is beyond 45 r0, as far as galpy looks) and where an input is
        NaN or masked or the distance or the parallax is not positive.

    Raises
    ------
    InputError
        If columns differ in length, hold no numbers or have a unit of another dimension, if not one of
        distance and parallax is given, or if r0 or v0 is not positive.
    """
    if (distance is None) == (parallax is None):
        raise InputError("actions need either the distance or the parallax: give one of them.")
    if distance is None:
        parallax = np.asarray(plain("parallax", parallax, "mas"), dtype=float)
        distance = np.divide(1.0, parallax, out=np.full(parallax.shape, np.nan), where=parallax > 0)
    phase_space = cylindrical(
        ra,
        dec,
        distance,
        pmra,
        pmdec,
        radial_velocity,
        r0=r0,
        v0=v0,
        z_sun=z_sun,
        solar_motion=solar_motion,
    )
    return staeckel_actions(*phase_space, r0=r0, v0=v0, delta=delta)


def cylindrical(
    ra,
    dec,
    distance,
    pmra,
    pmdec,
    radial_velocity,
    r0=_R0,
    v0=_V0,
    z_sun=_Z_SUN,
    solar_motion=_SOLAR_MOTION,
):
    """Galactocentric cylindrical positions and velocities; parameters as in `actions`.

    Returns
    -------
    R, v_R, v_T, z, v_z : array (n,)
        [kpc], [km/s], v_T positive with the Galaxy's rotation; NaN where an input is NaN or masked or the
        distance not positive.

    Raises
    ------
    InputError
        If columns differ in length, hold no numbers or have a unit of another dimension, or r0 or v0 is not
        positive.
    """
    r0, v0 = _scales(r0, v0)
    z_sun = _number("z_sun", z_sun, "kpc")
    solar_motion = np.asarray(plain("solar_motion", solar_motion, "km / s"), dtype=float)
    columns = {
        "ra": ra,
        "dec": dec,
        "distance": distance,
        "pmra": pmra,
        "pmdec": pmdec,
        "radial_velocity": radial_velocity,
    }
    observed = _stacked(columns).T
    coords = _galpy("util.coords")
    good = np.isfinite(observed).all(axis=1) & (observed[:, list(columns).index("distance")] > 0)
    result = np.full((5, len(good)), np.nan)
    if good.any():
        ra, dec, distance, pmra, pmdec, velocity = observed[good].T
        lb = coords.radec_to_lb(ra, dec, degree=True, epoch=None)
        pm_lb = coords.pmrapmdec_to_pmllpmbb(pmra, pmdec, ra, dec, degree=True, epoch=None)
        heliocentric = coords.lbd_to_XYZ(lb[:, 0], lb[:, 1], distance, degree=True)
        motion = coords.vrpmllpmbb_to_vxvyvz(
            velocity, pm_lb[:, 0], pm_lb[:, 1], lb[:, 0], lb[:, 1], distance, degree=True
        )
        radius, phi, z = coords.XYZ_to_galcencyl(*heliocentric.T, Xsun=r0, Zsun=z_sun).T
        # galpy's first axis points from the centre to the Sun
        sun = (-solar_motion[0], v0 + solar_motion[1], solar_motion[2])
        v_r, v_t, v_z = coords.vxvyvz_to_galcencyl(
            *motion.T, radius, phi, z, vsun=sun, Xsun=r0, Zsun=z_sun, galcen=True
        ).T
        result[:, good] = radius, v_r, v_t, z, v_z
    return tuple(result)


def staeckel_actions(radius, v_r, v_t, z, v_z, r0=_R0, v0=_V0, delta=None, potential=None):
    """Actions from cylindrical coordinates by the Staeckel approximation (Binney 2012).

    Parameters
    ----------
    radius, v_r, v_t, z, v_z : array (n,)
        [kpc], [km/s].
    r0, v0 : float
        What the potential is scaled to [kpc], [km/s].
    delta : float, optional
        Focal length for all stars [kpc]; one for each star (`focal_length`) if not given.
    potential : galpy potential, optional
        In galpy's natural units; MWPotential2014 if not given.

    Returns
    -------
    j_r, l_z, j_z : array (n,)
        [kpc km/s]; NaN for unbound stars and where an input is NaN or masked.

    Raises
    ------
    InputError
        If columns differ in length, hold no numbers or have a unit of another dimension, or r0 or v0 or delta
        is not positive.
    """
    r0, v0 = _scales(r0, v0)
    if delta is not None:
        delta = _number("delta", delta, "kpc")
        if not delta > 0:
            raise InputError(f"delta is {delta} kpc where a positive focal length or none is expected.")
    if potential is None:
        potential = _galpy("potential").MWPotential2014
    columns = {"radius": radius, "v_r": v_r, "v_t": v_t, "z": z, "v_z": v_z}
    coordinates = _stacked(columns) / np.array([r0, v0, v0, r0, v0])[:, None]
    good = np.isfinite(coordinates).all(axis=0)
    result = np.full((3, len(good)), np.nan)
    if good.any():
        staeckel = _galpy("actionAngle").actionAngleStaeckel(pot=potential, delta=0.5, c=True)
        coordinates = np.ascontiguousarray(coordinates[:, good])
        if delta is None:
            focal = focal_length(potential, coordinates[0], coordinates[3])
        else:
            focal = np.full(coordinates.shape[1], delta / r0)
        found = np.stack(staeckel(*coordinates, delta=focal))
        found[:, (found == _UNBOUND).any(axis=0) | ~np.isfinite(found).all(axis=0)] = np.nan
        result[:, good] = found * r0 * v0
    return tuple(result)


def focal_length(potential, radius, z):
    """Focal length of the prolate spheroidal coordinates that suit a potential best at each point.

    Sanders (2012), equation 9, with the sign that ``galpy.actionAngle.estimateDeltaStaeckel`` corrects; that
    function takes the points one by one and 100 times as long.

    Parameters
    ----------
    potential : galpy potential
    radius, z : array (n,)
        In galpy's natural units.

    Returns
    -------
    array (n,)
        In natural units, at least 1e-6.
    """
    galpy = _galpy("potential")
    radius, z = plain("radius", radius), plain("z", z)
    z = np.where(z == 0, _SMALLEST_Z, z)

    def evaluate(name):
        return getattr(galpy, name)(potential, radius, z, use_physical=False)

    forces = 3 * (radius * evaluate("evaluatezforces") - z * evaluate("evaluateRforces"))
    curvature = radius * z * (evaluate("evaluateR2derivs") - evaluate("evaluatez2derivs"))
    squared = z**2 - radius**2 + (forces + curvature) / evaluate("evaluateRzderivs")
    return np.sqrt(np.maximum(squared, _SMALLEST_DELTA**2))


def _stacked(columns):
    columns = {name: plain(name, values, _UNITS[name]) for name, values in columns.items()}
    if len({values.shape for values in columns.values()}) > 1 or next(iter(columns.values())).ndim != 1:
        shapes = ", ".join(f"{name} {values.shape}" for name, values in columns.items())
        raise InputError(f"actions need columns of one length, one row a star, not {shapes}.")
    return np.stack(list(columns.values())).astype(float)


def _scales(r0, v0):
    r0, v0 = _number("r0", r0, "kpc"), _number("v0", v0, "km / s")
    for name, value, unit in (("r0", r0, "kpc"), ("v0", v0, "km/s")):
        if not value > 0:
            raise InputError(f"{name} is {value} {unit} where a positive number is expected.")
    return r0, v0


def _number(name, value, unit):
    if np.ndim(value):
        raise InputError(f"{name} has shape {np.shape(value)} where one number [{unit}] is expected.")
    return float(plain(name, value, unit))


def _galpy(module):
    """Import a part of galpy, keeping its daily version check from the network wherever we run.

    galpy reads its configuration from the working folder, also in the process that it starts to try out its
    C library; so both are loaded in a folder that says what is wanted.
    """
    if "galpy.actionAngle" not in sys.modules:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            Path(".galpyrc").write_text("[version-check]\ndo-check = False\n", encoding="utf-8")
            importlib.import_module("galpy.actionAngle")
    return importlib.import_module(f"galpy.{module}")
