-- name: health.gateways
-- Every gateway with what it last said of itself and the chain of its newest epoch.
SELECT g.gateway, g.registered_time,
       l.kind AS life_kind, l.record_time AS life_time, l.bytes AS life,
       e.epoch, e.state, e.head, e.end_reading, e.waiting, e.sealed_through, e.closed_reason,
       b.record_time AS head_time
FROM gateways g
LEFT JOIN lives l ON l.gateway = g.gateway
LEFT JOIN epochs e ON e.gateway = g.gateway
    AND e.ordinal = (SELECT max(n.ordinal) FROM epochs n WHERE n.gateway = g.gateway)
LEFT JOIN bundles b ON b.epoch_id = e.epoch_id AND b.number = e.head
ORDER BY g.gateway;

-- name: health.keys
-- The public keys of all gateways that are not revoked.
SELECT gateway, kid, public_key FROM gateway_keys WHERE revoked_time IS NULL;

-- name: health.quarantine
-- How much stands in quarantine, by gateway as the topic names it, and reason.
SELECT gateway, reason, count(*) AS kept, sum(seen) AS seen, max(last_time) AS last_time
FROM quarantine
GROUP BY gateway, reason
ORDER BY gateway, reason;

-- name: health.log
-- How long the log is and how far its newest checkpoint reaches.
SELECT log_size, checkpoint_size, checkpoint_time, checkpoint FROM evidence_state;
