"""What an OPC UA server offers: its endpoints, and the variables below its Objects folder.

For commissioning alone; the driver never asks for any of it.
"""

from protocols.field.opcua.discover.browse import Browsed, Found, browse
from protocols.field.opcua.discover.offers import Offer, offers
from protocols.field.opcua.discover.walk import Limits

__all__ = ["Browsed", "Found", "Limits", "Offer", "browse", "offers"]
