-- name: enrolment.add_token
-- A gateway is invited.
INSERT INTO enrolment_tokens (token_hash, gateway, made_by, made_time, expires_time, used_time)
VALUES (:token_hash, :gateway, :made_by, :made_time, :expires_time, NULL);

-- name: enrolment.token
-- A token, by its hash.
SELECT token_hash, gateway, made_by, made_time, expires_time, used_time
FROM enrolment_tokens WHERE token_hash = :token_hash;

-- name: enrolment.use_token
-- A token serves once.
UPDATE enrolment_tokens SET used_time = :used_time
WHERE token_hash = :token_hash AND used_time IS NULL;

-- name: enrolment.add
-- A gateway asks to be let in.
INSERT INTO enrolments (enrolment, gateway, token_hash, request, seal_key, fingerprint, asked_time,
    state, decided_by, decided_time, serial)
VALUES (:enrolment, :gateway, :token_hash, :request, :seal_key, :fingerprint, :asked_time,
    'waiting', NULL, NULL, NULL);

-- name: enrolment.one
-- A gateway that asks, or has asked, to be let in.
SELECT e.enrolment, e.gateway, e.token_hash, e.request, e.seal_key, e.fingerprint, e.asked_time,
    e.state, e.decided_by, e.decided_time, e.serial, t.made_by, c.pem
FROM enrolments e JOIN enrolment_tokens t ON t.token_hash = e.token_hash
LEFT JOIN gateway_certificates c ON c.serial = e.serial
WHERE e.enrolment = :enrolment;

-- name: enrolment.of_token
-- Who asked with a token.
SELECT enrolment, gateway, fingerprint FROM enrolments WHERE token_hash = :token_hash;

-- name: enrolment.newest
-- Who asked to be let in, the latest first.
SELECT e.enrolment, e.gateway, e.seal_key, e.fingerprint, e.asked_time, e.state, e.decided_by,
    e.decided_time, e.serial, t.made_by
FROM enrolments e JOIN enrolment_tokens t ON t.token_hash = e.token_hash
ORDER BY e.asked_time DESC, e.enrolment LIMIT :count;

-- name: enrolment.decide
-- A person has decided.
UPDATE enrolments SET state = :state, decided_by = :decided_by, decided_time = :decided_time,
    serial = :serial
WHERE enrolment = :enrolment AND state = 'waiting';

-- name: enrolment.add_certificate
-- A certificate was issued to a gateway.
INSERT INTO gateway_certificates (serial, gateway, fingerprint, not_before, not_after, issued_time,
    why, pem)
VALUES (:serial, :gateway, :fingerprint, :not_before, :not_after, :issued_time, :why, :pem);

-- name: enrolment.newest_certificate
-- The certificate of a gateway that was issued last.
SELECT serial, gateway, fingerprint, not_before, not_after, issued_time, why, pem
FROM gateway_certificates WHERE gateway = :gateway ORDER BY issued_time DESC LIMIT 1;
