-- What tells a row that the service wrote from one that somebody wrote past it: a keyed tag of each value that decides
-- anything. Whoever has the database alone can make none.

CREATE TABLE row_seals (
    place  text COLLATE "C" NOT NULL,            -- the table
    row_id text COLLATE "C" NOT NULL,            -- the row's primary key, its parts joined by `/`, bytes as hexadecimal
    seal   bytea NOT NULL,                       -- a tag for each sealed column, in the program's order of them
    PRIMARY KEY (place, row_id)
);
