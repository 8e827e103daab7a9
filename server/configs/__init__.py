"""Configurations of gateways from here: drafts, offers, and what the gateways say became of them."""

from server.configs.post import OfferPost
from server.configs.service import ConfigDesk, NotChecked

__all__ = ["ConfigDesk", "NotChecked", "OfferPost"]
