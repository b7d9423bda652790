"""What the forms of a deep net have in common is computed once."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import symbackprop as sb
from symbackprop import chain, derivation
from symbackprop.indexing import fingerprint
from symbackprop.notation import Definition, Tensor
from symbackprop.printing import forms

View = forms.View


def layered(depth: int) -> sb.Derivation:
    """A net of alike layers, whose letters come round again, with one layer that is not alike."""
    rows = sb.size("N")
    x, y = sb.data("x", rows, 4), sb.data("y", rows, 4, facts=["one_hot"])
    h = x
    for place in range(depth):
        h = sb.layers.dense(h, 4, "sigmoid" if place == depth - 3 else "tanh")
    return sb.derive(sb.losses.cross_entropy(sb.softmax(h), y) + sb.penalties.l2(1e-3))


def test_alike_definitions_are_differentiated_once_and_each_as_if_by_itself(
        monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Definition] = []
    by_itself = chain._differentiated

    def counting(definition: Definition, sources: list[Tensor]) -> list[chain.Link]:
        counted.append(definition)
        return by_itself(definition, sources)

    d = layered(16)
    monkeypatch.setattr(chain, "_differentiated", counting)
    made, _ = d.remembered(forms.chained)
    assert len(counted) < len(made.program.definitions) / 2
    by_consumer: dict[Tensor, list[chain.Link]] = {}
    for link in (link for found in made.links.values() for link in found):
        by_consumer.setdefault(link.consumer.target, []).append(link)
    for found in by_consumer.values():
        own = {link.source: link for link in by_itself(found[0].consumer,
                                                       [link.source for link in found])}
        for link in found:
            alone = own[link.source]
            renamed = alone.share.xreplace({alone.seed.symbol: link.seed.symbol})
            assert fingerprint(renamed) == fingerprint(link.share), link


def test_a_page_makes_the_lines_of_a_reader_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Any] = []
    made = derivation.presented
    monkeypatch.setattr(derivation, "presented", lambda *given: counted.append(1) or made(*given))
    layered(4).html(check=False)
    assert len(counted) == 1


def test_a_derivation_that_was_printed_is_not_kept_alive() -> None:
    d = layered(2)
    for form in forms.FORMS:
        d.text(form)
    place = id(d.remembered(forms.chained)[0])

    def alive() -> bool:
        gc.collect()
        # the type is asked directly: isinstance asks a weak proxy for what it no longer has
        return any(type(known) is chain.Chain and id(known) == place
                   for known in gc.get_objects())

    assert alive()
    del d
    assert not alive()


@pytest.mark.parametrize("asked", ["first", "last"])
def test_the_chain_of_one_weight_is_that_of_the_form_for_all(asked: str) -> None:
    d = layered(5)
    tensor = list(d.gradients)[0 if asked == "first" else -1]
    short = forms.form_lines(d, "neuron", View(entries={tensor: tensor.letters}))
    whole = [line.right.text for line in forms.form_lines(d, "neuron", View())]
    assert [line.right.text for line in short if line.target is tensor] == whole[
        whole.index(short[0].right.text):][:sum(line.target is tensor for line in short)]
