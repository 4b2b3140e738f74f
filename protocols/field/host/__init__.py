"""Sensors of the gateway's own computer: hwmon chips and 1-Wire thermometers, read from sysfs.

Formats: the kernel's ``Documentation/hwmon/sysfs-interface.rst`` and ``Documentation/w1/slaves/
w1_therm.rst``. Nothing is installed and nothing is written: a sensor is a file that is read.
"""

from protocols.field.driver import Spec, connector
from protocols.field.host.driver import HostDriver
from protocols.field.host.sensor import code_name
from protocols.field.host.settings import HostSettings

__all__ = ["SPEC"]

SPEC = Spec(
    name="host",
    summary="sensors of the gateway's own computer: hwmon and 1-Wire",
    settings=HostSettings,
    connect=connector(HostDriver, HostSettings),
    code_name=code_name,
)
