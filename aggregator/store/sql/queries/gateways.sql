-- name: gateways.add
-- Register a gateway.
INSERT INTO gateways (gateway, registered_time, registered_by)
VALUES (:gateway, :registered_time, :registered_by);

-- name: gateways.one
-- A gateway, if it is registered.
SELECT gateway, registered_time, registered_by FROM gateways WHERE gateway = :gateway;

-- name: gateways.all
-- Every gateway with its newest epoch and what it last said of itself.
SELECT g.gateway, g.registered_time, g.registered_by,
    e.epoch_id, e.epoch, e.ordinal, e.state, e.head, e.waiting, e.sealed_through, e.closed_reason,
    l.kind AS life_kind, l.gateway_time AS life_time, l.record_time AS life_record_time,
    l.bytes AS life
FROM gateways g
LEFT JOIN epochs e ON e.gateway = g.gateway AND e.ordinal =
    (SELECT MAX(ordinal) FROM epochs WHERE gateway = g.gateway)
LEFT JOIN lives l ON l.gateway = g.gateway
ORDER BY g.gateway;

-- name: gateways.add_key
-- A key that opens what the gateway seals.
INSERT INTO gateway_keys (gateway, kid, public_key, added_time, added_by)
VALUES (:gateway, :kid, :public_key, :added_time, :added_by);

-- name: gateways.keys
-- Every key of every gateway, in force or revoked.
SELECT gateway, kid, public_key, added_time, added_by,
    revoked_time, revoked_by, revoked_reason, revoked_ordinal, revoked_number
FROM gateway_keys ORDER BY gateway, added_time, kid;

-- name: gateways.add_handover
-- A key in force named the next one; a statement is kept as it came first.
INSERT INTO key_handovers (gateway, kid, public_key, former_kid, said_time, record_time, statement)
VALUES (:gateway, :kid, :public_key, :former_kid, :said_time, :record_time, :statement)
ON CONFLICT DO NOTHING;

-- name: gateways.handovers
-- What the keys of a gateway said of the next ones, the latest first.
SELECT h.kid, h.public_key, h.former_kid, h.said_time, h.record_time, h.statement,
    n.added_time, f.revoked_time AS former_revoked_time
FROM key_handovers h
LEFT JOIN gateway_keys n ON n.gateway = h.gateway AND n.kid = h.kid
LEFT JOIN gateway_keys f ON f.gateway = h.gateway AND f.kid = h.former_kid
WHERE h.gateway = :gateway ORDER BY h.record_time DESC, h.kid;

-- name: gateways.revoke_key
-- From this bundle on the key opens nothing any more.
UPDATE gateway_keys
SET revoked_time = :revoked_time, revoked_by = :revoked_by, revoked_reason = :revoked_reason,
    revoked_ordinal = :revoked_ordinal, revoked_number = :revoked_number
WHERE gateway = :gateway AND kid = :kid AND revoked_time IS NULL;

-- name: gateways.life
-- What a gateway last said of itself.
SELECT kind, boot, connection, gateway_time, record_time, bytes
FROM lives WHERE gateway = :gateway;

-- name: gateways.set_life
-- A gateway said something of itself.
INSERT INTO lives (gateway, kind, boot, connection, gateway_time, record_time, bytes)
VALUES (:gateway, :kind, :boot, :connection, :gateway_time, :record_time, :bytes)
ON CONFLICT (gateway) DO UPDATE SET kind = excluded.kind, boot = excluded.boot,
    connection = excluded.connection, gateway_time = excluded.gateway_time,
    record_time = excluded.record_time, bytes = excluded.bytes;
