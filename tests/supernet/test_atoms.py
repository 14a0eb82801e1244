"""The union-find against a plain one, and layouts that decide late which axis shrinks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autogc.supernet.atoms import FIXED, Atoms
from autogc.supernet.layout import Block, Layout, align, combine, settle_all

PAIRS = st.lists(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=8), max_size=6)


@given(rounds=PAIRS, frozen=st.lists(st.integers(0, 19), max_size=3))
@settings(max_examples=200, deadline=None)
def test_classes_are_those_of_a_plain_union_find(rounds: list[list[tuple[int, int]]], frozen: list[int]) -> None:
    atoms = Atoms()
    ids = atoms.allocate(20)
    label = list(range(20))
    for pairs in rounds:
        if pairs:
            a, b = np.array(pairs).T
            atoms.unite(ids[a], ids[b])
        for a, b in pairs:
            label = [label[a] if value == label[b] else value for value in label]
    atoms.freeze(ids[frozen])
    fixed = {label[one] for one in frozen}
    roots = atoms.find(ids)
    for a in range(20):
        assert atoms.is_fixed(ids[[a]])[0] == (label[a] in fixed)
        for b in range(20):
            if label[a] not in fixed and label[b] not in fixed:
                assert (roots[a] == roots[b]) == (label[a] == label[b])


def test_the_first_reason_is_kept() -> None:
    atoms = Atoms()
    ids = atoms.allocate(4)
    atoms.freeze(ids[:2], "first")
    atoms.freeze(ids[1:], "second")
    atoms.unite(ids[:3], ids[1:])
    assert [atoms.reason_of(int(root)) for root in atoms.find(ids)] == ["first", "first", "second", "second"]
    assert atoms.reason_of(FIXED) is None


def test_atoms_know_whose_they_are() -> None:
    atoms = Atoms()
    first, nobody, second = atoms.allocate(3, ("a.weight", 0)), atoms.allocate(2), atoms.allocate(3, ("a.weight", 1))
    atoms.unite(first, second)
    owners = [atoms.owner(int(ids[0])) for ids in (first, nobody, second)]
    assert owners == [("a.weight", 0), None, ("a.weight", 1)]
    assert atoms.owner(FIXED) is None


def test_more_atoms_than_were_foreseen() -> None:
    atoms = Atoms()
    first, second = atoms.allocate(100_000), atoms.allocate(200_000)
    atoms.unite(first, second[:100_000])
    assert np.array_equal(atoms.find(second[:100_000]), first)
    assert np.array_equal(atoms.find(second[100_000:]), second[100_000:])


def test_axes_that_are_entangled_shrink_along_the_one_that_the_other_operand_leaves_free() -> None:
    atoms = Atoms()
    ids = atoms.allocate(12)
    split = Layout((1, 3, 4), [Block((1, 2), ids.reshape(3, 4))])
    channels = Layout((1, 1, 4), [Block((2,), atoms.allocate(4))])
    blocks = align([split, channels], atoms)
    roots = atoms.find(ids.reshape(3, 4))
    assert (roots == roots[:1]).all() and len(np.unique(roots)) == 4
    assert {axis for block in blocks for axis in block.axes} >= {2}


def test_a_fixed_operand_fixes_the_axis() -> None:
    atoms = Atoms()
    ids = atoms.allocate(5)
    align([Layout((1, 5), [Block((1,), ids)]), Layout((1, 5))], atoms)
    assert atoms.is_fixed(ids).all()


def test_settling_keeps_the_larger_axis() -> None:
    atoms = Atoms()
    ids = atoms.allocate(12).reshape(2, 6)
    layout = settle_all(Layout((2, 6), [Block((0, 1), ids)]), atoms)
    assert [block.axes for block in layout.blocks] == [(1,)]
    assert np.array_equal(atoms.find(ids[0]), atoms.find(ids[1]))


def test_an_outer_product_of_channels_is_frozen() -> None:
    atoms = Atoms()
    a, b = atoms.allocate(2), atoms.allocate(3)
    combine([Block((0, 1), np.repeat(a[:, None], 3, 1)), Block((0, 1), np.repeat(b[None], 2, 0))], atoms, reason="both")
    assert atoms.is_fixed(a).all() and atoms.is_fixed(b).all()
