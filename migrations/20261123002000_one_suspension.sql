-- migrate:up

-- Whether somebody is suspended stands where sign-in looks. Until now staff wrote it here, where
-- sign-in did not: whom they suspended is carried over.
UPDATE auth_users SET suspended_at = now()
FROM people
WHERE person_id = user_id AND is_suspended AND suspended_at IS NULL;
ALTER TABLE people DROP COLUMN is_suspended;

-- migrate:down

ALTER TABLE people ADD COLUMN is_suspended boolean NOT NULL DEFAULT false;
GRANT UPDATE (is_suspended) ON people TO titan_app;
UPDATE people SET is_suspended = true
FROM auth_users
WHERE person_id = user_id AND suspended_at IS NOT NULL;
