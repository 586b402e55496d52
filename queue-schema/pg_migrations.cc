#include "queue-schema/pg_migrations.h"

namespace postwain::queue_schema {

namespace {

// A migration that has been released is never changed again; a new step gets the next number.
//
// `fresh` lives fast: most rows are gone within a second. So it is vacuumed by the number of dead
// rows alone, its end is never cut off (that takes a lock over all of it), and values up to a page
// stay in their row. They are never compressed: that costs more than it saves for a second.
//
// The bag -1 has 2,000 messages that are none, and nobody asks for that bag. They are there for the
// server's statistics: of a table that was empty when they were made it believes that reading all
// of its index is cheaper than asking for single keys, and goes on believing so when there are
// millions of rows.
constexpr std::string_view kInitial = R"sql(
CREATE TABLE schema_info (
  one int2 PRIMARY KEY CHECK (one = 1),
  version int8 NOT NULL CHECK (version > 0),
  oldest_compatible int8 NOT NULL CHECK (oldest_compatible > 0),
  queue int8 NOT NULL CHECK (queue > 0)
);
CREATE TABLE node (
  id int2 PRIMARY KEY CHECK (id BETWEEN 0 AND 31),
  name bytea NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 255),
  machine bytea NOT NULL CHECK (octet_length(machine) <= 255),
  term int8 NOT NULL CHECK (term > 0),
  state int2 NOT NULL CHECK (state BETWEEN 0 AND 2),
  beat int8 NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
CREATE TABLE lane (
  node int2 NOT NULL,
  lane int2 NOT NULL CHECK (lane BETWEEN 0 AND 15),
  token int8 NOT NULL CHECK (token > 0),
  PRIMARY KEY (node, lane)
) WITH (fillfactor = 10);
CREATE TABLE bag (
  id int2 PRIMARY KEY CHECK (id BETWEEN 0 AND 63),
  node int2
) WITH (fillfactor = 10);
INSERT INTO bag (id) SELECT generate_series(0, 63);
CREATE TABLE placement (
  bags bytea PRIMARY KEY CHECK (octet_length(bags) BETWEEN 1 AND 64)
);
CREATE TABLE attempt (
  node int2 NOT NULL,
  term int8 NOT NULL,
  n int8 NOT NULL CHECK (n > 0),
  named bytea NOT NULL,
  PRIMARY KEY (node, term, n)
) WITH (fillfactor = 50);

CREATE TABLE fresh (
  bag int2 NOT NULL,
  id int8 NOT NULL CHECK (id > 0),
  recipients int2 NOT NULL CHECK (recipients BETWEEN 1 AND 1000),
  data bytea NOT NULL CHECK (octet_length(data) <= 4194304),
  PRIMARY KEY (bag, id)
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off);
ALTER TABLE fresh ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE fresh_left (
  bag int2 NOT NULL,
  id int8 NOT NULL CHECK (id > 0),
  left_over bytea NOT NULL CHECK (octet_length(left_over) <= 1000),
  PRIMARY KEY (bag, id)
);

CREATE TABLE message (
  bag int2 NOT NULL,
  id int8 NOT NULL CHECK (id > 0),
  reverse_path bytea NOT NULL,
  body int2 NOT NULL CHECK (body BETWEEN 0 AND 2),
  smtputf8 int2 NOT NULL CHECK (smtputf8 IN (0, 1)),
  require_tls int2 NOT NULL CHECK (require_tls IN (0, 1)),
  tls_required_no int2 NOT NULL CHECK (tls_required_no IN (0, 1)),
  ret int2 NOT NULL CHECK (ret BETWEEN 0 AND 2),
  envid bytea NOT NULL,
  sign int2 NOT NULL CHECK (sign BETWEEN 0 AND 2),
  eight_bit int2 NOT NULL CHECK (eight_bit IN (0, 1)),
  size int8 NOT NULL CHECK (size >= 0),
  received_at int8 NOT NULL,
  protocol bytea NOT NULL,
  client_address bytea NOT NULL,
  client_name bytea NOT NULL,
  account bytea NOT NULL,
  kind int2 NOT NULL CHECK (kind BETWEEN 0 AND 2),
  traffic_class int2 NOT NULL CHECK (traffic_class BETWEEN 0 AND 2),
  in_file int2 NOT NULL CHECK (in_file IN (0, 1)),
  header_size int4 NOT NULL
    CHECK (header_size BETWEEN 0 AND 1048576 AND header_size <= size * in_file),
  PRIMARY KEY (bag, id),
  CONSTRAINT message_octets CHECK (
    greatest(octet_length(reverse_path), octet_length(envid), octet_length(protocol),
             octet_length(client_address), octet_length(client_name), octet_length(account)) <= 1024
    AND position('\x00'::bytea in
      reverse_path || envid || protocol || client_address || client_name || account) = 0)
) WITH (fillfactor = 90);
CREATE TABLE content (
  bag int2 NOT NULL,
  id int8 NOT NULL,
  data bytea NOT NULL CHECK (octet_length(data) <= 1048576),
  PRIMARY KEY (bag, id)
) WITH (toast_tuple_target = 8160, vacuum_truncate = off);
ALTER TABLE content ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE recipient (
  bag int2 NOT NULL,
  message_id int8 NOT NULL,
  idx int4 NOT NULL CHECK (idx >= 0),
  address bytea NOT NULL CHECK (octet_length(address) BETWEEN 1 AND 1024),
  notify int2 NOT NULL CHECK (notify BETWEEN 0 AND 15),
  orcpt bytea NOT NULL CHECK (octet_length(orcpt) <= 1024),
  state int2 NOT NULL CHECK (state IN (0, 1)),
  destination bytea NOT NULL CHECK (octet_length(destination) BETWEEN 1 AND 2000),
  attempts int4 NOT NULL CHECK (attempts >= 0),
  next_attempt_at int8 NOT NULL,
  in_doubt int2 NOT NULL CHECK (in_doubt IN (0, 1)),
  delay_warned int2 NOT NULL CHECK (delay_warned IN (0, 1)),
  last_at int8 NOT NULL,
  last_stage int2 NOT NULL CHECK (last_stage BETWEEN 0 AND 11),
  last_code int2 NOT NULL CHECK (last_code BETWEEN 0 AND 999),
  last_enhanced bytea NOT NULL,
  last_text bytea NOT NULL,
  last_host bytea NOT NULL,
  crashes int4 NOT NULL CHECK (crashes >= 0),
  PRIMARY KEY (bag, message_id, idx),
  CONSTRAINT recipient_octets CHECK (position('\x00'::bytea in address || orcpt || destination) = 0)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 20000,
        vacuum_truncate = off);
CREATE INDEX recipient_due ON recipient (bag, destination, next_attempt_at, message_id, idx)
  WHERE state = 0;
CREATE INDEX recipient_in_doubt ON recipient (bag) WHERE in_doubt = 1;

CREATE TABLE destination (
  key bytea PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND 2000),
  opens int8 NOT NULL CHECK (opens > 0),
  opened_at int8 NOT NULL,
  hold_until int8 NOT NULL,
  reason bytea NOT NULL,
  changed int8 NOT NULL
);
CREATE INDEX destination_changed ON destination (changed);
CREATE TABLE mx_set (
  destination bytea PRIMARY KEY CHECK (octet_length(destination) BETWEEN 1 AND 2000),
  hosts bytea NOT NULL CHECK (octet_length(hosts) BETWEEN 1 AND 4096),
  seen_at int8 NOT NULL,
  changed int8 NOT NULL
);
CREATE INDEX mx_set_seen ON mx_set (seen_at);
CREATE INDEX mx_set_changed ON mx_set (changed);
CREATE TABLE suspension (
  destination bytea PRIMARY KEY CHECK (octet_length(destination) BETWEEN 1 AND 2000),
  since int8 NOT NULL,
  until int8 NOT NULL,
  author bytea NOT NULL CHECK (octet_length(author) <= 256),
  reason bytea NOT NULL CHECK (octet_length(reason) <= 1024),
  changed int8 NOT NULL
);
CREATE INDEX suspension_changed ON suspension (changed);
CREATE TABLE sts_policy (
  domain bytea PRIMARY KEY CHECK (octet_length(domain) BETWEEN 1 AND 1024),
  id bytea NOT NULL CHECK (octet_length(id) <= 32),
  mode int2 NOT NULL CHECK (mode BETWEEN 0 AND 2),
  hosts bytea NOT NULL CHECK (octet_length(hosts) <= 65536),
  max_age int8 NOT NULL CHECK (max_age >= 0),
  fetched_at int8 NOT NULL,
  changed int8 NOT NULL
);
CREATE INDEX sts_policy_fetched ON sts_policy (fetched_at);
CREATE INDEX sts_policy_changed ON sts_policy (changed);
CREATE TABLE recipient_check (
  address bytea PRIMARY KEY CHECK (octet_length(address) BETWEEN 1 AND 1024),
  good int2 NOT NULL CHECK (good IN (0, 1)),
  code int2 NOT NULL CHECK (code BETWEEN 0 AND 999),
  enhanced bytea NOT NULL,
  text bytea NOT NULL,
  at int8 NOT NULL,
  changed int8 NOT NULL
);
CREATE INDEX recipient_check_at ON recipient_check (at);
CREATE INDEX recipient_check_changed ON recipient_check (changed);

CREATE TABLE clock (
  one int2 PRIMARY KEY CHECK (one = 1),
  last_seen int8 NOT NULL
);
CREATE TABLE clock_gap (
  at int8 PRIMARY KEY,
  length int8 NOT NULL CHECK (length > 0)
);
INSERT INTO fresh SELECT -1, i, 1, '' FROM generate_series(1, 2000) i;
INSERT INTO fresh_left SELECT -1, i, '' FROM generate_series(1, 2000) i;
INSERT INTO message SELECT -1, i, '', 0, 0, 0, 0, 0, '', 0, 0, 0, 0, '', '', '', '', 0, 0, 0, 0
  FROM generate_series(1, 2000) i;
INSERT INTO content SELECT -1, i, '' FROM generate_series(1, 2000) i;
INSERT INTO recipient SELECT -1, i, 0, 'none@invalid', 0, '', 0, 'none', 0, i, 0, 0, 0, 0, 0, '', '',
  '', 0 FROM generate_series(1, 2000) i;
INSERT INTO clock VALUES (1, 0);
INSERT INTO schema_info VALUES (1, 1, 1, 1 + floor(random() * 9e15)::int8);
)sql";

// Several nodes. A message's bag follows from its id alone (mail::QueueId::bag()), so no sets of
// bags are remembered. load: bits, 1 the node is busy, 2 idle. Contents too large for a row lie in
// pieces of 8,000 octets, one to a page.
constexpr std::string_view kNodes = R"sql(
UPDATE schema_info SET oldest_compatible = 2 WHERE one = 1;
DROP TABLE placement;
ALTER TABLE node ADD COLUMN weight int2 NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 256);
ALTER TABLE node ADD COLUMN load int2 NOT NULL DEFAULT 0 CHECK (load BETWEEN 0 AND 3);
ALTER TABLE node ADD COLUMN version bytea NOT NULL DEFAULT '' CHECK (octet_length(version) <= 64);
ALTER TABLE node ADD COLUMN config bytea NOT NULL DEFAULT '' CHECK (octet_length(config) <= 64);
ALTER TABLE node ADD COLUMN stay int2 NOT NULL DEFAULT 1 CHECK (stay IN (0, 1));
CREATE TABLE chunk (
  bag int2 NOT NULL,
  id int8 NOT NULL CHECK (id > 0),
  no int4 NOT NULL CHECK (no >= 0),
  data bytea NOT NULL CHECK (octet_length(data) BETWEEN 1 AND 8000),
  PRIMARY KEY (bag, id, no)
) WITH (vacuum_truncate = off);
ALTER TABLE chunk ALTER COLUMN data SET STORAGE PLAIN;
INSERT INTO chunk SELECT -1, i, 0, 'x' FROM generate_series(1, 2000) i;
)sql";

// What nodes tell each other. A breaker with opens 0 is closed, and not all nodes may know it yet;
// trial_node and trial_term have its trial while it is half open. seen and wants: how far the node
// has read the rows of the others, and of which limits it lacks places (qmgr/cluster/places.h).
constexpr std::string_view kKeeper = R"sql(
ALTER TABLE node ADD COLUMN seen int8 NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN wants bytea NOT NULL DEFAULT '' CHECK (octet_length(wants) <= 65536);
CREATE TABLE request (
  to_node int2 NOT NULL CHECK (to_node BETWEEN 0 AND 31),
  n int8 NOT NULL,
  from_node int2 NOT NULL CHECK (from_node BETWEEN 0 AND 31),
  kind int2 NOT NULL,
  at int8 NOT NULL,
  until int8 NOT NULL,
  data bytea NOT NULL CHECK (octet_length(data) <= 65536),
  PRIMARY KEY (to_node, n)
);
CREATE TABLE answer (
  to_node int2 NOT NULL CHECK (to_node BETWEEN 0 AND 31),
  n int8 NOT NULL,
  no int4 NOT NULL CHECK (no BETWEEN 0 AND 15),
  at int8 NOT NULL,
  code int2 NOT NULL CHECK (code BETWEEN 0 AND 255),
  data bytea NOT NULL CHECK (octet_length(data) <= 65536),
  PRIMARY KEY (to_node, n, no)
);
CREATE TABLE claim (
  key bytea NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 2100),
  node int2 NOT NULL CHECK (node BETWEEN -1 AND 31),
  places int4 NOT NULL CHECK (places >= 0),
  kept_free int4 NOT NULL CHECK (kept_free >= 0),
  PRIMARY KEY (key, node)
);
CREATE INDEX claim_node ON claim (node);
ALTER TABLE destination DROP CONSTRAINT destination_opens_check;
ALTER TABLE destination ADD CHECK (opens >= 0);
ALTER TABLE destination ADD COLUMN trial_node int2 CHECK (trial_node BETWEEN 0 AND 31);
ALTER TABLE destination ADD COLUMN trial_term int8;
DROP INDEX destination_changed;
CREATE INDEX destination_changed ON destination (changed, key);
CREATE TABLE pace (
  key bytea PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND 2100),
  next int8 NOT NULL
);
CREATE TABLE history_block (
  node int2 NOT NULL CHECK (node BETWEEN -1 AND 31),
  number int8 NOT NULL CHECK (number > 0),
  at int8 NOT NULL,
  name bytea NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
  filter bytea NOT NULL CHECK (octet_length(filter) BETWEEN 1 AND 65536),
  data bytea NOT NULL CHECK (octet_length(data) BETWEEN 1 AND 262144),
  PRIMARY KEY (node, number)
);
ALTER TABLE history_block ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE history_block ALTER COLUMN filter SET STORAGE MAIN;
INSERT INTO history_block SELECT -1, i, 0, 'x', 'x', 'x' FROM generate_series(1, 2000) i;
)sql";

constexpr Migration kPgMigrations[] = {
    {1, kInitial},
    {2, kNodes},
    {3, kKeeper},
};

}  // namespace

std::span<const Migration> pg_migrations() {
  return kPgMigrations;
}

std::int64_t pg_schema_version() {
  return pg_migrations().back().version;
}

}  // namespace postwain::queue_schema
