"""Every check of rating systems is held against a toy that fails it: a check that finds nothing is none."""

from typing import get_args

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from service.ratings import Promise
from tests.property.faulty import FAULTS, FEATS_FAULTS, Faulty
from tests.property.rating_checks import ALWAYS, FEATS, PROMISED, Check, Feat
from tests.property.test_rating_bits import digests, digests_uncompiled
from tests.property.test_ratings import QUICK, label


@pytest.mark.parametrize(("check", "fault"), FAULTS.items(), ids=label)
def test_check_finds_its_fault(check: Check, fault: str) -> None:
    @given(data=st.data())
    @settings(
        QUICK, max_examples=100, database=None, phases=[Phase.generate], report_multiple_bugs=False, derandomize=True
    )
    def run(data: st.DataObject) -> None:
        check(Faulty(fault=fault), data)

    with pytest.raises(AssertionError):
        run()


@pytest.mark.parametrize(("feat", "fault"), FEATS_FAULTS.items(), ids=label)
def test_feat_finds_its_fault(feat: Feat, fault: str) -> None:
    with pytest.raises(AssertionError):
        feat(Faulty(fault=fault), 1.0)


def test_uncompiled_that_differs_is_found() -> None:
    assert digests_uncompiled("compiled") != digests("compiled")


def test_every_check_has_its_fault() -> None:
    assert set(FAULTS) == {*ALWAYS, *PROMISED.values()}
    assert set(FEATS_FAULTS) == set(FEATS)
    assert set(PROMISED) == set(get_args(Promise))
