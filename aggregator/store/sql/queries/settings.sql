-- name: settings.add_rollout
-- A document is offered to gateways.
INSERT INTO settings_rollouts (rollout, document, hash, hold_seconds, trial_seconds, state, why,
    offered_by, offered_time, approved_by, approved_time)
VALUES (:rollout, :document, :hash, :hold_seconds, :trial_seconds, :state, :why,
    :offered_by, :offered_time, NULL, NULL);

-- name: settings.rollout
-- A document that was offered, and how far it is.
SELECT rollout, document, hash, hold_seconds, trial_seconds, state, why, offered_by, offered_time,
    approved_by, approved_time
FROM settings_rollouts WHERE rollout = :rollout;

-- name: settings.rollouts
-- What was offered, the latest first.
SELECT rollout, hash, hold_seconds, trial_seconds, state, why, offered_by, offered_time,
    approved_by, approved_time
FROM settings_rollouts ORDER BY offered_time DESC, rollout LIMIT :count;

-- name: settings.under_way
-- What was offered and is not at its end.
SELECT rollout, document, hash, hold_seconds, trial_seconds, state, why, offered_by, offered_time,
    approved_by, approved_time
FROM settings_rollouts WHERE state IN ('offered', 'approved') ORDER BY offered_time, rollout;

-- name: settings.set_rollout
-- How far it is.
UPDATE settings_rollouts SET state = :state, why = :why, approved_by = :approved_by,
    approved_time = :approved_time
WHERE rollout = :rollout;

-- name: settings.add
-- A version of a gateway's settings.
INSERT INTO gateway_settings (gateway, version, rollout, canary, state, why, settings_hash,
    changed_time, command)
VALUES (:gateway, :version, :rollout, :canary, :state, '', NULL, :changed_time, :command);

-- name: settings.set
-- What became of a version.
UPDATE gateway_settings SET state = :state, why = :why, settings_hash = :settings_hash,
    changed_time = :changed_time, command = :command
WHERE gateway = :gateway AND version = :version;

-- name: settings.of_rollout
-- The gateways of a document, those first that go first.
SELECT gateway, version, rollout, canary, state, why, settings_hash, changed_time, command
FROM gateway_settings WHERE rollout = :rollout ORDER BY canary DESC, gateway;

-- name: settings.of_gateway
-- Every version of a gateway's settings with its document, the latest first.
SELECT s.gateway, s.version, s.rollout, s.canary, s.state, s.why, s.settings_hash, s.changed_time,
    r.document, r.hash, r.offered_by, r.approved_by
FROM gateway_settings s JOIN settings_rollouts r ON r.rollout = s.rollout
WHERE s.gateway = :gateway ORDER BY s.version DESC;

-- name: settings.newest
-- The newest version of every gateway's settings: its command stands on the gateway's topic.
SELECT s.gateway, s.version, s.rollout, s.canary, s.state, s.why, s.settings_hash, s.changed_time,
    s.command
FROM gateway_settings s
WHERE s.version = (SELECT MAX(n.version) FROM gateway_settings n WHERE n.gateway = s.gateway)
ORDER BY s.gateway;
