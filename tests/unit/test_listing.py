"""Dry runs of thousands of jobs on a page."""

import logging

import pytest

from xpsvae import listing


@pytest.fixture
def heard():
    """Give a logger, and what it let through: the message and the reason of each job."""
    logger, records = logging.Logger("planning"), []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    return logger, records


def job(logger, rule, message=None, reason="Missing output files: a", **files):
    logger.info(None, extra={"rule_name": rule, "rule_msg": message, "reason": reason, **files})


def test_the_first_jobs_of_a_rule_are_listed_and_the_next_says_so(heard):
    logger, records = heard
    for _ in range(2):  # as by two workflows that are modules of one
        listing.shorten(logger, lambda: True)
    for number in range(100):
        job(logger, "many", f"job {number}")
        if number % 50 == 0:
            job(logger, "few", "another")
    told = [record.rule_msg for record in records if record.rule_name == "many"]
    assert told == [*(f"job {n}" for n in range(10)), "further jobs of many, which are not listed"]
    assert sum(record.rule_name == "few" for record in records) == 2


def test_long_reasons_and_lists_of_files_are_cut(heard):
    logger, records = heard
    listing.shorten(logger, lambda: True)
    job(logger, "one", reason="x" * 10_000, input=[f"{n}" for n in range(3386)], output=["a"])
    assert len(records[0].reason) < 600 and records[0].input[-1] == "… (3386 in all)"
    assert len(records[0].input) == 11 and records[0].output == ["a"]


def test_runs_and_other_messages_are_as_they_were(heard):
    logger, records = heard
    listing.shorten(logger, lambda: False)
    for _ in range(100):
        job(logger, "many", reason="x" * 10_000)
    assert len(records) == 100 and len(records[0].reason) == 10_000
    listing.shorten(logger, lambda: True)
    logger.info("something else")
    assert records[-1].getMessage() == "something else"
