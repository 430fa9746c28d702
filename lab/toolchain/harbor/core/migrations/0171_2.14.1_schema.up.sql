CREATE TABLE harbor_user (
    user_id serial PRIMARY KEY,
    username varchar(255) NOT NULL UNIQUE,
    password varchar(40) NOT NULL DEFAULT '',
    salt varchar(40) NOT NULL DEFAULT '',
    password_version varchar(16) NOT NULL DEFAULT '',
    sysadmin_flag boolean NOT NULL DEFAULT false
);

CREATE TABLE project (
    project_id serial PRIMARY KEY,
    name varchar(255) NOT NULL UNIQUE,
    owner_id integer NOT NULL REFERENCES harbor_user (user_id),
    public boolean NOT NULL DEFAULT false,
    creation_time timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE robot (
    id serial PRIMARY KEY,
    name varchar(255) NOT NULL,
    description varchar(1024) NOT NULL DEFAULT '',
    secret varchar(2048) NOT NULL,
    salt varchar(64) NOT NULL,
    project_id integer NOT NULL DEFAULT 0,
    level varchar(16) NOT NULL,
    permissions jsonb NOT NULL,
    duration integer NOT NULL,
    expiresat bigint NOT NULL,
    disabled boolean NOT NULL DEFAULT false,
    creation_time timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, project_id)
);

CREATE TABLE registry (
    id serial PRIMARY KEY,
    name varchar(256) NOT NULL UNIQUE,
    type varchar(32) NOT NULL,
    url varchar(256) NOT NULL UNIQUE,
    insecure boolean NOT NULL DEFAULT false,
    credential_type varchar(16) NOT NULL DEFAULT '',
    access_key varchar(255) NOT NULL DEFAULT '',
    access_secret varchar(4096) NOT NULL DEFAULT ''
);

CREATE TABLE blob (
    digest varchar(255) PRIMARY KEY,
    size bigint NOT NULL
);

CREATE TABLE execution (
    id serial PRIMARY KEY,
    vendor_type varchar(64) NOT NULL,
    status varchar(16) NOT NULL,
    status_message text NOT NULL DEFAULT '',
    start_time timestamptz NOT NULL DEFAULT now()
);

INSERT INTO harbor_user (username, sysadmin_flag) VALUES ('admin', true);
INSERT INTO project (name, owner_id, public) VALUES ('library', 1, true);
