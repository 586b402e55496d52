#include "queue-schema/history_migrations.h"

namespace postwain::queue_schema {

namespace {

// A migration that has been released is never changed again; a new step gets the next number.
constexpr std::string_view kInitial = R"sql(
CREATE TABLE schema_info (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  oldest_compatible INTEGER NOT NULL CHECK (oldest_compatible > 0),
  runs INTEGER NOT NULL CHECK (runs >= 0)
) STRICT;
CREATE TABLE message (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  known INTEGER NOT NULL CHECK (known IN (0, 1)),
  received_at INTEGER NOT NULL,
  sender TEXT NOT NULL,
  message_id TEXT NOT NULL,
  protocol TEXT NOT NULL,
  client_address TEXT NOT NULL,
  client_name TEXT NOT NULL,
  account TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2)
) STRICT;
CREATE TABLE recipient (
  message_id INTEGER NOT NULL,
  idx INTEGER NOT NULL CHECK (idx >= 0),
  address TEXT NOT NULL,
  destination TEXT NOT NULL,
  PRIMARY KEY (message_id, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
  message_id INTEGER NOT NULL,
  number INTEGER NOT NULL CHECK (number > 0),
  idx INTEGER NOT NULL CHECK (idx >= 0),
  at INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 13),
  stage INTEGER NOT NULL CHECK (stage BETWEEN 0 AND 11),
  in_doubt INTEGER NOT NULL CHECK (in_doubt IN (0, 1)),
  began_at INTEGER NOT NULL,
  next_attempt_at INTEGER NOT NULL,
  other_id INTEGER NOT NULL,
  host TEXT NOT NULL,
  address TEXT NOT NULL,
  reply TEXT NOT NULL,
  tls TEXT NOT NULL,
  why TEXT NOT NULL,
  who TEXT NOT NULL,
  PRIMARY KEY (message_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE segment (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  began_at INTEGER NOT NULL
) STRICT;
CREATE TABLE lookup (
  segment INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  message_id INTEGER NOT NULL,
  PRIMARY KEY (segment, hash, message_id)
) STRICT, WITHOUT ROWID;

INSERT INTO schema_info VALUES (1, 1, 0);
)sql";

// A program of schema 1 works with it: it does not ask for these.
constexpr std::string_view kTlsWishes = R"sql(
ALTER TABLE message ADD COLUMN require_tls INTEGER NOT NULL DEFAULT 0
  CHECK (require_tls IN (0, 1));
ALTER TABLE message ADD COLUMN tls_required_no INTEGER NOT NULL DEFAULT 0
  CHECK (tls_required_no IN (0, 1));
)sql";

// A program of schema 2 works with it: it knows no aliases.
constexpr std::string_view kExpansions = R"sql(
ALTER TABLE message ADD COLUMN part_of INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN given_sender TEXT NOT NULL DEFAULT '';
ALTER TABLE recipient ADD COLUMN given TEXT NOT NULL DEFAULT '';
)sql";

// A program of schema 3 works with it: it does not tell how long the stages took.
constexpr std::string_view kStageTimes = R"sql(
ALTER TABLE event ADD COLUMN times TEXT NOT NULL DEFAULT '';
)sql";

// A program of schema 4 would miss most recipients, and events of all but one of several.
constexpr std::string_view kPacked = R"sql(
ALTER TABLE message ADD COLUMN recipients BLOB NOT NULL DEFAULT x'';
ALTER TABLE event ADD COLUMN also TEXT NOT NULL DEFAULT '';
UPDATE schema_info SET oldest_compatible = 5;
)sql";

// A program of schema 5 works with it: it does not tell which user submitted a message.
constexpr std::string_view kSubmitters = R"sql(
ALTER TABLE message ADD COLUMN uid INTEGER NOT NULL DEFAULT -1;
)sql";

// A program of schema 6 works with it: it does not ask for these.
constexpr std::string_view kRefusals = R"sql(
CREATE TABLE refusal (
  number INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  count INTEGER NOT NULL CHECK (count > 0),
  client TEXT NOT NULL,
  name TEXT NOT NULL,
  listener TEXT NOT NULL,
  sender TEXT NOT NULL,
  recipient TEXT NOT NULL,
  stage TEXT NOT NULL,
  reply TEXT NOT NULL,
  reason TEXT NOT NULL,
  sender_hash INTEGER NOT NULL,
  recipient_hash INTEGER NOT NULL
) STRICT;
CREATE INDEX refusal_client ON refusal (client);
CREATE INDEX refusal_sender ON refusal (sender_hash);
CREATE INDEX refusal_recipient ON refusal (recipient_hash);
)sql";

// A program of schema 7 works with it: it does not ask for these.
constexpr std::string_view kJudgements = R"sql(
CREATE TABLE judgement (
  message_id INTEGER PRIMARY KEY,
  judgements BLOB NOT NULL
) STRICT;
ALTER TABLE refusal ADD COLUMN judgements BLOB NOT NULL DEFAULT x'';
)sql";

// A program of schema 8 works with it: it does not tell by which keys mail was signed, and under
// whose name it was passed on.
constexpr std::string_view kSigning = R"sql(
ALTER TABLE event ADD COLUMN signing TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN srs INTEGER NOT NULL DEFAULT 0 CHECK (srs IN (0, 1));
)sql";

// Kinds of events have come that `kind` does not admit, and a condition cannot be changed without
// copying the table. A program of schema 9 works with it: it shows the nearest kind that it knows.
constexpr std::string_view kNewerKinds = R"sql(
ALTER TABLE event ADD COLUMN newer_kind INTEGER NOT NULL DEFAULT 0
  CHECK (newer_kind = 0 OR newer_kind BETWEEN 14 AND 255);
)sql";

constexpr Migration kMigrations[] = {
    {1, kInitial},    {2, kTlsWishes}, {3, kExpansions}, {4, kStageTimes}, {5, kPacked},
    {6, kSubmitters}, {7, kRefusals},  {8, kJudgements}, {9, kSigning},    {10, kNewerKinds},
};

}  // namespace

std::span<const Migration> history_migrations() {
  return kMigrations;
}

}  // namespace postwain::queue_schema
