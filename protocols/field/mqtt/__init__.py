"""Equipment that publishes by MQTT: JSON by path, plain payloads, and Sparkplug B.

MQTT 5 or 3.1.1 with a session that the broker keeps; what came at QoS 1 or 2 is acknowledged only
after it stands on the gateway's disk. Sparkplug as its specification 3.0.0 has it for a host.
"""

from protocols.field.driver import Spec, connector
from protocols.field.mqtt.driver import MqttDriver
from protocols.field.mqtt.messages import code_name
from protocols.field.mqtt.settings import MqttSettings

__all__ = ["SPEC"]

SPEC = Spec(
    name="mqtt",
    summary="equipment that publishes by MQTT: JSON by path, plain payloads, Sparkplug B",
    settings=MqttSettings,
    connect=connector(MqttDriver, MqttSettings),
    replays=True,
    quiet=True,
    code_name=code_name,
)
