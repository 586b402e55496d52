#include "queue-schema/migrations.h"

namespace postwain::queue_schema {

namespace {

// A migration that has been released is never changed again; a new step gets the next number.
constexpr std::string_view kInitial = R"sql(
CREATE TABLE schema_info (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  oldest_compatible INTEGER NOT NULL CHECK (oldest_compatible > 0)
) STRICT;
CREATE TABLE message (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  reverse_path TEXT NOT NULL CHECK (length(reverse_path) <= 1024),
  body INTEGER NOT NULL CHECK (body BETWEEN 0 AND 2),
  smtputf8 INTEGER NOT NULL CHECK (smtputf8 IN (0, 1)),
  eight_bit INTEGER NOT NULL CHECK (eight_bit IN (0, 1)),
  ret INTEGER NOT NULL CHECK (ret BETWEEN 0 AND 2),
  envid TEXT NOT NULL CHECK (length(envid) <= 1024),
  size INTEGER NOT NULL CHECK (size >= 0),
  received_at INTEGER NOT NULL,
  protocol TEXT NOT NULL,
  client_address TEXT NOT NULL,
  client_name TEXT NOT NULL,
  account TEXT NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),
  traffic_class INTEGER NOT NULL CHECK (traffic_class BETWEEN 0 AND 2),
  in_file INTEGER NOT NULL CHECK (in_file IN (0, 1))
) STRICT;
CREATE TABLE content (
  id INTEGER PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
  data BLOB NOT NULL CHECK (length(data) <= 1048576)
) STRICT;
CREATE TABLE recipient (
  message_id INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
  idx INTEGER NOT NULL CHECK (idx >= 0),
  address TEXT NOT NULL CHECK (length(address) BETWEEN 1 AND 1024),
  notify INTEGER NOT NULL CHECK (notify BETWEEN 0 AND 15),
  orcpt TEXT NOT NULL CHECK (length(orcpt) <= 1024),
  state INTEGER NOT NULL CHECK (state IN (0, 1)),
  destination TEXT NOT NULL CHECK (length(destination) BETWEEN 1 AND 4096),
  attempts INTEGER NOT NULL CHECK (attempts >= 0),
  next_attempt_at INTEGER NOT NULL,
  in_doubt INTEGER NOT NULL CHECK (in_doubt IN (0, 1)),
  delay_warned INTEGER NOT NULL CHECK (delay_warned IN (0, 1)),
  last_at INTEGER NOT NULL,
  last_stage INTEGER NOT NULL CHECK (last_stage BETWEEN 0 AND 11),
  last_code INTEGER NOT NULL CHECK (last_code BETWEEN 0 AND 999),
  last_enhanced TEXT NOT NULL,
  last_text TEXT NOT NULL,
  last_host TEXT NOT NULL,
  PRIMARY KEY (message_id, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient (destination, next_attempt_at) WHERE state = 0;
CREATE TABLE destination (
  key TEXT PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 4096),
  opens INTEGER NOT NULL CHECK (opens > 0),
  opened_at INTEGER NOT NULL,
  hold_until INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO schema_info VALUES (1, 1);
)sql";

// A program of schema 1 works with it: it does not know suspensions, and keeps limits by
// destination only.
constexpr std::string_view kDestinationFacts = R"sql(
CREATE TABLE mx_set (
  destination TEXT PRIMARY KEY CHECK (length(destination) BETWEEN 1 AND 4096),
  hosts TEXT NOT NULL CHECK (length(hosts) BETWEEN 1 AND 4096),
  seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mx_set_seen ON mx_set (seen_at);
CREATE TABLE suspension (
  destination TEXT PRIMARY KEY CHECK (length(destination) BETWEEN 1 AND 4096),
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  author TEXT NOT NULL CHECK (length(author) <= 256),
  reason TEXT NOT NULL CHECK (length(reason) <= 1024)
) STRICT, WITHOUT ROWID;
)sql";

// A program of schema 2 works with it: it neither counts crashes nor looks at the clock.
constexpr std::string_view kCrashesAndClock = R"sql(
ALTER TABLE recipient ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0);
CREATE TABLE clock (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  last_seen INTEGER NOT NULL
) STRICT;
CREATE TABLE clock_gap (
  at INTEGER PRIMARY KEY,
  length INTEGER NOT NULL CHECK (length > 0)
) STRICT;
INSERT INTO clock VALUES (1, 0);
)sql";

// A program of schema 3 would send a message in clear whose sender demanded TLS.
constexpr std::string_view kRequireTls = R"sql(
ALTER TABLE message ADD COLUMN require_tls INTEGER NOT NULL DEFAULT 0
  CHECK (require_tls IN (0, 1));
ALTER TABLE message ADD COLUMN tls_required_no INTEGER NOT NULL DEFAULT 0
  CHECK (tls_required_no IN (0, 1));
UPDATE schema_info SET oldest_compatible = 4;
)sql";

// A program of schema 4 works with it: it asks nobody.
constexpr std::string_view kRecipientChecks = R"sql(
CREATE TABLE recipient_check (
  address TEXT PRIMARY KEY CHECK (length(address) BETWEEN 1 AND 1024),
  good INTEGER NOT NULL CHECK (good IN (0, 1)),
  code INTEGER NOT NULL CHECK (code BETWEEN 0 AND 999),
  enhanced TEXT NOT NULL,
  text TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_check_at ON recipient_check (at);
)sql";

// A program of schema 5 works with it: it knows of no policies, and counts nobody in doubt.
constexpr std::string_view kPoliciesAndDoubts = R"sql(
CREATE TABLE sts_policy (
  domain TEXT PRIMARY KEY CHECK (length(domain) BETWEEN 1 AND 1024),
  id TEXT NOT NULL CHECK (length(id) <= 32),
  mode INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 2),
  hosts TEXT NOT NULL CHECK (length(hosts) <= 65536),
  max_age INTEGER NOT NULL CHECK (max_age >= 0),
  fetched_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sts_policy_fetched ON sts_policy (fetched_at);
CREATE INDEX recipient_in_doubt ON recipient (in_doubt) WHERE in_doubt = 1;
)sql";

// A program of schema 6 would not see what lies in there.
constexpr std::string_view kFresh = R"sql(
CREATE TABLE fresh (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  recipients INTEGER NOT NULL CHECK (recipients BETWEEN 1 AND 1000),
  data BLOB NOT NULL CHECK (length(data) <= 4194304)
) STRICT;
CREATE TABLE fresh_left (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  left TEXT NOT NULL CHECK (length(left) <= 1000)
) STRICT;
UPDATE schema_info SET oldest_compatible = 7;
)sql";

// length() of a text ends at its first NUL, so the CHECKs let texts of any size pass. What is there
// already stays as it is: it can be listed and cancelled. A program of schema 7 works with it.
constexpr std::string_view kOctets = R"sql(
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
)sql";

// A program of schema 8 would send a body without its header section.
constexpr std::string_view kHeaderApart = R"sql(
ALTER TABLE message ADD COLUMN header_size INTEGER NOT NULL DEFAULT 0
  CHECK (header_size BETWEEN 0 AND 1048576 AND header_size <= size * in_file);
UPDATE schema_info SET oldest_compatible = 9;
)sql";

// A program of schema 9 would read no compact record whose envelope says it.
constexpr std::string_view kSign = R"sql(
ALTER TABLE message ADD COLUMN sign INTEGER NOT NULL DEFAULT 0 CHECK (sign BETWEEN 0 AND 2);
UPDATE schema_info SET oldest_compatible = 10;
)sql";

constexpr Migration kMigrations[] = {
    {1, kInitial},    {2, kDestinationFacts}, {3, kCrashesAndClock},
    {4, kRequireTls}, {5, kRecipientChecks},  {6, kPoliciesAndDoubts},
    {7, kFresh},      {8, kOctets},           {9, kHeaderApart},
    {10, kSign},
};

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

std::int64_t schema_version() {
  return migrations().back().version;
}

}  // namespace postwain::queue_schema
