"""Dry runs on a page: of a rule with thousands of jobs the first are listed, and long reasons are cut.

How many jobs there are of each rule stands in Snakemake's table, above and below the list.
"""

import logging

__all__ = ["shorten"]

_JOBS = 10  # of a rule that are listed
_REASON = 500  # characters


def shorten(logger, is_dry_run):
    """Let a logger leave out jobs that are like those before them; more than once does no harm.

    Parameters
    ----------
    logger : logging.Logger
        Snakemake's.
    is_dry_run : function
        Whether this call only plans; asked when there is something to say.
    """
    if not any(isinstance(each, _First) for each in logger.filters):
        logger.addFilter(_First(is_dry_run))


class _First(logging.Filter):
    def __init__(self, is_dry_run):
        super().__init__()
        self._is_dry_run, self._counts = is_dry_run, {}

    def filter(self, record):
        rule = getattr(record, "rule_name", None)
        if rule is None or not hasattr(record, "reason") or not self._is_dry_run():
            return True
        self._counts[rule] = count = self._counts.get(rule, 0) + 1
        if len(record.reason) > _REASON:
            record.reason = f"{record.reason[:_REASON]} …"
        for name in ("input", "output"):
            files = getattr(record, name, ())
            if len(files) > _JOBS and not record.rule_msg:
                setattr(record, name, [*files[:_JOBS], f"… ({len(files)} in all)"])
        if count == _JOBS + 1:
            record.rule_msg = f"further jobs of {rule}, which are not listed"
        return count <= _JOBS + 1
