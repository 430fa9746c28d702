ALTER TABLE registry ADD COLUMN ca_certificate text;
