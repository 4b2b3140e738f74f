"""The ROSpec that we have a reader run: its antennas, its tags, and what it reports of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llrpkit.inventory import build_rospec
from llrpkit.protocol import enums, params
from llrpkit.protocol.codec import BitStr

from protocols.field.llrp.settings import LlrpSettings

__all__ = ["rospec"]


def rospec(settings: LlrpSettings) -> params.ROSpec:
    """Return the ROSpec that these settings ask for.

    It runs from START_ROSPEC until somebody stops it, over the antennas asked for, and reports
    antenna, RSSI, first and last seen and count.
    """
    made = build_rospec(
        ro_spec_id=settings.rospec_id,
        antennas=settings.antennas,
        session=settings.session,
        tag_population=settings.tag_population,
        transmit_power_index=settings.tx_power_index,
        hop_table_id=settings.hop_table_id,
        channel_index=settings.channel_index,
        report_every_n=settings.report_every,
    )
    for command in _inventory_commands(made):
        command.c1_g2_filters.extend(_filters(settings.epc_prefixes))
    return made


def _inventory_commands(spec: params.ROSpec) -> Iterator[params.C1G2InventoryCommand]:
    for part in spec.spec_parameters:
        if isinstance(part, params.AISpec):
            for inventory in part.inventory_parameter_specs:
                for antenna in inventory.antenna_configurations:
                    for command in antenna.air_protocol_inventory_command_settings:
                        if isinstance(command, params.C1G2InventoryCommand):
                            yield command


def _filters(prefixes: Sequence[str]) -> Iterator[params.C1G2Filter]:
    """Yield a Gen2 Select for each prefix: the first selects its tags alone, others add theirs."""
    actions = enums.C1G2StateUnawareAction
    for at, prefix in enumerate(prefixes):
        yield params.C1G2Filter(
            t=enums.C1G2TruncateAction.Do_Not_Truncate,
            c1_g2_tag_inventory_mask=params.C1G2TagInventoryMask(
                mb=_EPC_BANK,
                pointer=_EPC_FROM_BIT,
                tag_mask=BitStr(4 * len(prefix), bytes.fromhex(prefix + "0" * (len(prefix) % 2))),
            ),
            c1_g2_tag_inventory_state_unaware_filter_action=(
                params.C1G2TagInventoryStateUnawareFilterAction(
                    action=actions.Select_DoNothing if at else actions.Select_Unselect
                )
            ),
        )


_EPC_BANK: Final = 1
_EPC_FROM_BIT: Final = 32  # behind CRC and protocol control word
