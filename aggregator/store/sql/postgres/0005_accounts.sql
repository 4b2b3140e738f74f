-- Accounts of persons. A row is never deleted: a user id is never used again (21 CFR 11.100).
CREATE TABLE accounts (
    user_id        TEXT    PRIMARY KEY,
    printed_name   TEXT    NOT NULL,     -- as on paper
    roles          TEXT    NOT NULL,     -- JSON array
    password_hash  TEXT    NOT NULL,     -- argon2id
    password_state TEXT    NOT NULL,     -- issued (to be changed first), own
    second_factor  BYTEA   NOT NULL,     -- secret of RFC 6238, encrypted under the access key
    last_step      BIGINT  NOT NULL,     -- of the last code that served; a code serves once
    failures       BIGINT  NOT NULL,     -- in a row
    locked_until   BIGINT  NOT NULL,     -- nanoseconds since the Unix epoch; 0: not locked
    created_at     BIGINT  NOT NULL,
    ended_at       BIGINT
);

-- Who may act in the place of whom, so that no one person blocks the line.
CREATE TABLE delegations (
    id         TEXT    PRIMARY KEY,
    principal  TEXT    NOT NULL REFERENCES accounts (user_id),
    delegate   TEXT    NOT NULL REFERENCES accounts (user_id),
    start_time BIGINT  NOT NULL,
    end_time   BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL,
    ended_at   BIGINT
);

CREATE INDEX delegations_by_delegate ON delegations (delegate, end_time);
