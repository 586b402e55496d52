-- The queue database as it is after the last migration. Only for reading: a new database is made by the
-- numbered migrations (migrations.cc), and a test proves that both give the same schema.
--
-- What is deliberately not here: leases (they live in qmgr's memory and end with it), the history of settled
-- recipients (a database of its own), bodies of content above 64 KiB (files below content/).
-- Times are milliseconds since 1970 UTC. Enumerations are the numbers of the C++ types named beside them.

PRAGMA application_id = 0x50577171;
PRAGMA user_version = 10;

-- The oldest schema number whose program may still work with this database.
CREATE TABLE schema_info (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  oldest_compatible INTEGER NOT NULL CHECK (oldest_compatible > 0)
) STRICT;

-- One row for each message that has at least one recipient left.
CREATE TABLE message (
  id INTEGER PRIMARY KEY CHECK (id > 0),                            -- mail::QueueId
  reverse_path TEXT NOT NULL CHECK (length(reverse_path) <= 1024),  -- empty: <>
  body INTEGER NOT NULL CHECK (body BETWEEN 0 AND 2),               -- mail::BodyType
  smtputf8 INTEGER NOT NULL CHECK (smtputf8 IN (0, 1)),
  eight_bit INTEGER NOT NULL CHECK (eight_bit IN (0, 1)),
  ret INTEGER NOT NULL CHECK (ret BETWEEN 0 AND 2),                 -- mail::DsnReturn
  envid TEXT NOT NULL CHECK (length(envid) <= 1024),
  size INTEGER NOT NULL CHECK (size >= 0),
  received_at INTEGER NOT NULL,
  protocol TEXT NOT NULL,
  client_address TEXT NOT NULL,
  client_name TEXT NOT NULL,
  account TEXT NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),               -- qmgr::MessageKind
  traffic_class INTEGER NOT NULL CHECK (traffic_class BETWEEN 0 AND 2),  -- qmgr::TrafficClass
  in_file INTEGER NOT NULL CHECK (in_file IN (0, 1)),               -- the body is a file
  require_tls INTEGER NOT NULL DEFAULT 0 CHECK (require_tls IN (0, 1)),          -- REQUIRETLS, RFC 8689
  tls_required_no INTEGER NOT NULL DEFAULT 0 CHECK (tls_required_no IN (0, 1)),  -- "TLS-Required: No"
  -- Octets of the header section that lies in content although the body is a file. 0: nothing lies apart.
  header_size INTEGER NOT NULL DEFAULT 0
    CHECK (header_size BETWEEN 0 AND 1048576 AND header_size <= size * in_file),
  sign INTEGER NOT NULL DEFAULT 0 CHECK (sign BETWEEN 0 AND 2)       -- mail::Signing
) STRICT;

-- Small content, and header sections of bodies in files: apart from the rows that are read for due work.
CREATE TABLE content (
  id INTEGER PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
  data BLOB NOT NULL CHECK (length(data) <= 1048576)
) STRICT;

-- Compact messages: a new message in one value, with all its recipients (qmgr/store/compact_record.h), until something
-- else than deliveries happens to it: then it becomes rows of the other tables. An orderly end writes rows of all it can.
CREATE TABLE fresh (
  id INTEGER PRIMARY KEY CHECK (id > 0),                            -- mail::QueueId; in no other table
  recipients INTEGER NOT NULL CHECK (recipients BETWEEN 1 AND 1000),  -- their number within
  data BLOB NOT NULL CHECK (length(data) <= 4194304)
) STRICT;

-- Which of its recipients are left, where some are settled: one character each, 0 or 1.
CREATE TABLE fresh_left (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  left TEXT NOT NULL CHECK (length(left) <= 1000)
) STRICT;

-- One row for each recipient that is not settled yet; a delivered, failed or cancelled one is deleted.
CREATE TABLE recipient (
  message_id INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
  idx INTEGER NOT NULL CHECK (idx >= 0),                            -- its number within the message, for life
  address TEXT NOT NULL CHECK (length(address) BETWEEN 1 AND 1024),
  notify INTEGER NOT NULL CHECK (notify BETWEEN 0 AND 15),          -- mail::Notify bits
  orcpt TEXT NOT NULL CHECK (length(orcpt) <= 1024),
  state INTEGER NOT NULL CHECK (state IN (0, 1)),                   -- 0 waiting, 1 held
  destination TEXT NOT NULL CHECK (length(destination) BETWEEN 1 AND 4096),
  attempts INTEGER NOT NULL CHECK (attempts >= 0),
  next_attempt_at INTEGER NOT NULL,
  in_doubt INTEGER NOT NULL CHECK (in_doubt IN (0, 1)),             -- the peer may have it already
  delay_warned INTEGER NOT NULL CHECK (delay_warned IN (0, 1)),
  last_at INTEGER NOT NULL,                                         -- 0: no attempt yet
  last_stage INTEGER NOT NULL CHECK (last_stage BETWEEN 0 AND 11),  -- mail::Stage
  last_code INTEGER NOT NULL CHECK (last_code BETWEEN 0 AND 999),
  last_enhanced TEXT NOT NULL,
  last_text TEXT NOT NULL,
  last_host TEXT NOT NULL,
  crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),          -- agents in a row that died while they had it
  PRIMARY KEY (message_id, idx)
) STRICT, WITHOUT ROWID;

-- The CHECKs above see a text up to its first NUL only. These count octets, and let no NUL in; what a former version
-- let in stays as it is, so that it can be listed and cancelled.
CREATE TRIGGER message_octets BEFORE INSERT ON message
WHEN max(length(CAST(NEW.reverse_path AS BLOB)), length(CAST(NEW.envid AS BLOB)),
         length(CAST(NEW.protocol AS BLOB)), length(CAST(NEW.client_address AS BLOB)),
         length(CAST(NEW.client_name AS BLOB)), length(CAST(NEW.account AS BLOB))) > 1024
  OR instr(CAST(NEW.reverse_path || NEW.envid || NEW.protocol || NEW.client_address ||
                NEW.client_name || NEW.account AS BLOB), x'00') > 0
BEGIN
  SELECT RAISE(ABORT, 'a text of the message is too long or holds NUL');
END;
CREATE TRIGGER recipient_octets BEFORE INSERT ON recipient
WHEN max(length(CAST(NEW.address AS BLOB)), length(CAST(NEW.orcpt AS BLOB))) > 1024
  OR length(CAST(NEW.destination AS BLOB)) > 4096
  OR instr(CAST(NEW.address || NEW.orcpt || NEW.destination AS BLOB), x'00') > 0
BEGIN
  SELECT RAISE(ABORT, 'a text of the recipient is too long or holds NUL');
END;

-- Due work of one destination in order. The literal state matters: with a bound parameter SQLite would not use it.
CREATE INDEX recipient_due ON recipient (destination, next_attempt_at) WHERE state = 0;

-- Few, so that they can be counted at any time.
CREATE INDEX recipient_in_doubt ON recipient (in_doubt) WHERE in_doubt = 1;

-- Destinations whose breaker is open, so that a restart does not run into a dead host with full force.
CREATE TABLE destination (
  key TEXT PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 4096),
  opens INTEGER NOT NULL CHECK (opens > 0),                         -- times in a row it has opened
  opened_at INTEGER NOT NULL,
  hold_until INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The hosts behind a domain as an agent found them last: domains that share them share limits.
CREATE TABLE mx_set (
  destination TEXT PRIMARY KEY CHECK (length(destination) BETWEEN 1 AND 4096),
  hosts TEXT NOT NULL CHECK (length(hosts) BETWEEN 1 AND 4096),     -- sorted names, joined with commas
  seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mx_set_seen ON mx_set (seen_at);

-- Destinations an operator wants left alone.
CREATE TABLE suspension (
  destination TEXT PRIMARY KEY CHECK (length(destination) BETWEEN 1 AND 4096),
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,                                           -- 0: until further notice
  author TEXT NOT NULL CHECK (length(author) <= 256),
  reason TEXT NOT NULL CHECK (length(reason) <= 1024)
) STRICT, WITHOUT ROWID;

-- When the clock was looked at last: a start or a look later than that plus the time in between means that it was set,
-- or that nobody ran.
CREATE TABLE clock (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  last_seen INTEGER NOT NULL                                        -- 0: never
) STRICT;

-- Time that passed unobserved. It does not count for the age of messages of before.
CREATE TABLE clock_gap (
  at INTEGER PRIMARY KEY,
  length INTEGER NOT NULL CHECK (length > 0)
) STRICT;

-- What next hops said of recipients (recipients = "probe").
CREATE TABLE recipient_check (
  address TEXT PRIMARY KEY CHECK (length(address) BETWEEN 1 AND 1024),  -- in lower case
  good INTEGER NOT NULL CHECK (good IN (0, 1)),
  code INTEGER NOT NULL CHECK (code BETWEEN 0 AND 999),
  enhanced TEXT NOT NULL,
  text TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_check_at ON recipient_check (at);

-- MTA-STS policies of domains (RFC 8461), so that they hold over a restart, and while nobody answers.
CREATE TABLE sts_policy (
  domain TEXT PRIMARY KEY CHECK (length(domain) BETWEEN 1 AND 1024),
  id TEXT NOT NULL CHECK (length(id) <= 32),
  mode INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 2),                   -- mail::StsPolicy::Mode
  hosts TEXT NOT NULL CHECK (length(hosts) <= 65536),                   -- patterns, joined with commas
  max_age INTEGER NOT NULL CHECK (max_age >= 0),                        -- seconds
  fetched_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sts_policy_fetched ON sts_policy (fetched_at);
