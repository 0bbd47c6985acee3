"""What a step takes from a user's method file, after a check that the file is the one that was planned with."""

from outgrow.methods import OwnModule, own_module
from outgrow.methods.method import OWN
from outgrow.steps.desk import Desk
from outgrow.training.generation import TEXT_LOSS
from outgrow.training.losses import LOSSES, Loss, cross_entropy


def own_file(desk: Desk) -> OwnModule:
    """Return what the method file of the step's spec defines."""
    return own_module(desk.context.places["method"], desk.spec["method_sha256"])


def loss_of(desk: Desk) -> Loss:
    """Return the loss that the spec names: one of the table, or that of the method file. Free text has one only."""
    if desk.task.head == "text":
        return TEXT_LOSS
    if desk.spec["loss"] != OWN:
        return LOSSES[desk.spec["loss"]]
    file = own_file(desk)
    return Loss(file.rows or cross_entropy, file.target)
