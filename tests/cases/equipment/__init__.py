"""How a folder ``equipment_*`` becomes a run of a driver against equipment that misbehaves."""
