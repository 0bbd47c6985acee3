"""The table of methods: what each is made of, and what it refuses."""

import pytest

from outgrow.errors import UsageError
from outgrow.methods import METHODS, check_method, find_method
from outgrow.tasks import find_task
from outgrow.training.losses import LOSSES


def test_every_method_names_a_loss_that_exists_and_a_control_that_exists():
    for name, method in METHODS.items():
        assert method.name == name
        assert method.loss in LOSSES
        assert not method.control or METHODS[method.control].labels == method.labels
        assert method.about
        assert method.source


def test_every_chain_has_a_control_that_trains_on_the_same_rows():
    chains = [method for method in METHODS.values() if method.chain]
    assert chains
    assert all(METHODS[method.control].links for method in chains)


def test_the_confidence_losses_have_the_weights_of_the_paper():
    assert METHODS["confidence"].loss_options == {"weight": 0.5, "warmup": 0.2}
    assert METHODS["confidence-75"].loss_options == {"weight": 0.75, "warmup": 0.2}
    assert METHODS["confidence-release"].loss_options == {"weight": 0.5, "warmup": 0.1}


def test_a_misspelt_method_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match="unknown method 'confidnce': did you mean confidence"):
        find_method("confidnce")


def test_a_method_for_shared_classes_refuses_exchangeable_options():
    with pytest.raises(UsageError, match=r"confidence-release needs the same classes .* chess-puzzle"):
        check_method(find_method("confidence-release"), find_task("chess-puzzle"))
    check_method(find_method("confidence-release"), find_task("chess-blunder"))
