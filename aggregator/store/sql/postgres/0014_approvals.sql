-- Sensitive acts that take a second person (aggregator/model/approval.py): asked for by one,
-- decided by another. Times are nanoseconds since 1970-01-01T00:00:00Z.
CREATE TABLE approvals (
    id          TEXT    PRIMARY KEY,
    kind        TEXT    NOT NULL,     -- what sort of act
    holder      TEXT    NOT NULL,     -- who does it once approved: the person, or a service
    document    TEXT    NOT NULL,     -- the act exactly as asked for, canonical JSON
    hash        TEXT    NOT NULL,     -- SHA-256 of the document
    why         TEXT    NOT NULL,
    asked_by    TEXT    NOT NULL REFERENCES accounts (user_id),
    asked_at    BIGINT  NOT NULL,
    expires_at  BIGINT  NOT NULL,
    state       TEXT    NOT NULL,
    decided_by  TEXT    REFERENCES accounts (user_id),
    in_place_of TEXT    REFERENCES accounts (user_id),
    decided_at  BIGINT,
    decided_why TEXT    NOT NULL
);

CREATE INDEX approvals_by_time ON approvals (asked_at);
CREATE INDEX approvals_by_holder ON approvals (holder, kind, state);
