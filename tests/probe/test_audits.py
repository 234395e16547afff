"""Every audit's worked cases, and what all audits keep."""

from __future__ import annotations

import json
import re

import pytest

from probe import judge, store
from probe.model import Audit, Case

AUDITS = judge.audits()
CASES = [
    pytest.param(audit, case, id=f"{audit.id}-{case.title.replace(' ', '-')}")
    for audit in AUDITS
    for case in audit.cases
]


@pytest.mark.parametrize(("audit", "case"), CASES)
def test_case(audit: Audit, case: Case) -> None:
    run = case.run()
    findings = audit.judge(run.only(audit.reads))
    assert tuple(finding.outcome for finding in findings) == case.expected
    for finding in findings:
        assert finding.audit == audit.id
        assert finding.remedy
        json.dumps(dict(finding.evidence), allow_nan=False)
    again = audit.judge(case.run().only(audit.reads))
    assert again == findings


def test_audits_of_one_fault_name_each_other() -> None:
    related = {audit.id: set(audit.related) for audit in AUDITS}
    for name, others in related.items():
        assert others == {other for other, theirs in related.items() if name in theirs}


@pytest.mark.parametrize("audit", AUDITS, ids=lambda audit: audit.id)
def test_an_audit_documents_itself(audit: Audit) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", audit.id)
    assert audit.why
    assert audit.source
    assert audit.remedy
    assert set(audit.reads) <= set(store.TABLES)
    assert len({case.expected for case in audit.cases}) >= 3
    titles = [case.title for case in audit.cases]
    assert len(titles) == len(set(titles))
