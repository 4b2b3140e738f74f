-- name: accounts.by_user
-- The account of a user id, ended or not.
SELECT user_id, printed_name, roles, password_hash, password_state, second_factor, last_step,
    failures, locked_until, created_at, ended_at
FROM accounts WHERE user_id = :user_id;

-- name: accounts.every
-- All accounts, the ended ones too.
SELECT user_id, printed_name, roles, password_hash, password_state, second_factor, last_step,
    failures, locked_until, created_at, ended_at
FROM accounts ORDER BY user_id;

-- name: accounts.add
-- A new account.
INSERT INTO accounts (user_id, printed_name, roles, password_hash, password_state, second_factor,
    last_step, failures, locked_until, created_at, ended_at)
VALUES (:user_id, :printed_name, :roles, :password_hash, :password_state, :second_factor,
    -1, 0, 0, :created_at, NULL);

-- name: accounts.proved
-- What an attempt to prove oneself leaves behind, be it a success or a failure.
UPDATE accounts SET failures = :failures, locked_until = :locked_until, last_step = :last_step
WHERE user_id = :user_id;

-- name: accounts.set_password
-- Another password.
UPDATE accounts SET password_hash = :password_hash, password_state = :password_state
WHERE user_id = :user_id;

-- name: accounts.reset
-- Everything that proves the person is new, and a lock is lifted.
UPDATE accounts SET password_hash = :password_hash, password_state = :password_state,
    second_factor = :second_factor, last_step = -1, failures = 0, locked_until = 0
WHERE user_id = :user_id;

-- name: accounts.end
-- End an account that has not ended.
UPDATE accounts SET ended_at = :ended_at WHERE user_id = :user_id AND ended_at IS NULL;

-- name: accounts.set_roles
-- Other roles.
UPDATE accounts SET roles = :roles WHERE user_id = :user_id;

-- name: accounts.set_second_factor
-- Another authenticator, and the step of the code that showed it to work.
UPDATE accounts SET second_factor = :second_factor, last_step = :last_step
WHERE user_id = :user_id;
