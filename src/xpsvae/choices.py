"""The one place where `published` and `corrected` part ways (PAPER section by section).

A protocol is a set of choices; the analysis takes the choices as plain arguments and never asks which
protocol it serves.
"""

__all__ = ["PROTOCOLS", "choices"]

PROTOCOLS = {
    "corrected": {
        "aspcapflag_bits": (19, 23),  # M_H_BAD and STAR_BAD, as the text says
        "gb_teff_tolerance": 100.0,  # [K]
        "enceladus": "lane2022",  # action-diamond ellipse
    },
}


def choices(protocol):
    """Return the choices of a protocol as a dict."""
    return dict(PROTOCOLS[protocol])
