-- Sealed private keys in shares: the row then has its own shares, and names the splitting that they are of.

ALTER TABLE customer_keys ADD COLUMN split_id text COLLATE "C";  -- the splitting; null: `sealed` is the whole
ALTER TABLE customer_keys ADD COLUMN held_at bigint;             -- when what holds the key was last replaced; null: never
