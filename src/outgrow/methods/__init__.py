"""Methods: how a student is made from weak labels. Losses and label transforms are named by strings. No torch."""

from outgrow.methods.find import check_method, find_method
from outgrow.methods.method import Method
from outgrow.methods.own import OwnModule, own_module
from outgrow.methods.table import METHODS

__all__ = ["METHODS", "Method", "OwnModule", "check_method", "find_method", "own_module"]
