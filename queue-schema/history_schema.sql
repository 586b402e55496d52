-- The history database as it is after the last migration. Only for reading: a new database is made by the numbered
-- migrations (history_migrations.cc), and a test proves that both give the same schema.
--
-- Nothing here is needed to deliver mail. The file may be removed while Postwain is stopped, and a damaged one is
-- moved aside. Times are milliseconds since 1970 UTC, 0 where there is none; empty texts where nothing is known.
-- Queue ids begin with their time, so the order of ids is the order of arrival, and old messages are found by id.

PRAGMA application_id = 0x50577168;
PRAGMA user_version = 10;

CREATE TABLE schema_info (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  oldest_compatible INTEGER NOT NULL CHECK (oldest_compatible > 0),  -- as in the queue database
  runs INTEGER NOT NULL CHECK (runs >= 0)                            -- how often it was opened; see event.number
) STRICT;

-- How a message came in.
CREATE TABLE message (
  id INTEGER PRIMARY KEY CHECK (id > 0),                             -- mail::QueueId
  known INTEGER NOT NULL CHECK (known IN (0, 1)),                    -- 0: only later events are known, not this
  received_at INTEGER NOT NULL,
  sender TEXT NOT NULL,                                              -- empty: <>
  message_id TEXT NOT NULL,                                          -- the field of the header section
  protocol TEXT NOT NULL,
  client_address TEXT NOT NULL,
  client_name TEXT NOT NULL,
  account TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),                -- qmgr::MessageKind
  require_tls INTEGER NOT NULL DEFAULT 0 CHECK (require_tls IN (0, 1)),          -- RFC 8689
  tls_required_no INTEGER NOT NULL DEFAULT 0 CHECK (tls_required_no IN (0, 1)),
  part_of INTEGER NOT NULL DEFAULT 0,                                -- the id it was split off from
  given_sender TEXT NOT NULL DEFAULT '',                             -- by the client, where sender came of it
  recipients BLOB NOT NULL DEFAULT x'',                              -- with which it arrived (history_record.h)
  uid INTEGER NOT NULL DEFAULT -1,                                   -- the local user who submitted it, -1: none
  srs INTEGER NOT NULL DEFAULT 0 CHECK (srs IN (0, 1))               -- sender came of given_sender by SRS
) STRICT;

-- Those that became known only by what happened to them.
CREATE TABLE recipient (
  message_id INTEGER NOT NULL,
  idx INTEGER NOT NULL CHECK (idx >= 0),                             -- place within the message
  address TEXT NOT NULL,
  destination TEXT NOT NULL,                                         -- where it was routed at first
  given TEXT NOT NULL DEFAULT '',                                    -- by the client, where address came of it
  PRIMARY KEY (message_id, idx)
) STRICT, WITHOUT ROWID;

-- Whatever happened to a recipient after that.
CREATE TABLE event (
  message_id INTEGER NOT NULL,
  number INTEGER NOT NULL CHECK (number > 0),                        -- ascending, also over restarts and set clocks
  idx INTEGER NOT NULL CHECK (idx >= 0),
  at INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 13),               -- qmgr::HistoryKind
  stage INTEGER NOT NULL CHECK (stage BETWEEN 0 AND 11),             -- mail::Stage
  in_doubt INTEGER NOT NULL CHECK (in_doubt IN (0, 1)),
  began_at INTEGER NOT NULL,                                         -- of the attempt
  next_attempt_at INTEGER NOT NULL,
  other_id INTEGER NOT NULL,                                         -- the message that tells of it, 0: none
  host TEXT NOT NULL,
  address TEXT NOT NULL,
  reply TEXT NOT NULL,                                               -- verbatim, cut at 512 bytes
  tls TEXT NOT NULL,
  why TEXT NOT NULL,                                                 -- why then; or what happened, in our words
  who TEXT NOT NULL,                                                 -- the operator
  times TEXT NOT NULL DEFAULT '',                                    -- ms in each stage: "connect 12 mail 3"
  also TEXT NOT NULL DEFAULT '',                                     -- happened to these, too: "1-49,51"
  signing TEXT NOT NULL DEFAULT '',                                  -- mail::SigningRecord::text()
  newer_kind INTEGER NOT NULL DEFAULT 0                              -- 0, or the kind, and then the column kind has
    CHECK (newer_kind = 0 OR newer_kind BETWEEN 14 AND 255),         -- the nearest one that programs of schema 9 know
  PRIMARY KEY (message_id, number)
) STRICT, WITHOUT ROWID;

-- Segments of lookup: 16384 messages or a day each. Within a segment keys are in random order, over segments in the
-- order of time: so what is written stays within a few hot pages, and what is old goes as a whole.
CREATE TABLE segment (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  began_at INTEGER NOT NULL
) STRICT;

-- From a sender, a recipient, a Message-ID or a remote queue id (48 bits of a hash of it) to the messages.
CREATE TABLE lookup (
  segment INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  message_id INTEGER NOT NULL,
  PRIMARY KEY (segment, hash, message_id)
) STRICT, WITHOUT ROWID;

-- What filters said of a message that came in (common/ipc/judgements.h), at most 4096 octets; one that they discarded
-- included, which ends with an event of kind 0 at the host "discard". No row where nobody was asked.
CREATE TABLE judgement (
  message_id INTEGER PRIMARY KEY,
  judgements BLOB NOT NULL                                           -- first octet: version of the coding, 1
) STRICT;

-- What receivers refused, bounded in number and by age; equal ones within a few seconds are one row.
CREATE TABLE refusal (
  number INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,                                               -- of the last of them
  count INTEGER NOT NULL CHECK (count > 0),
  client TEXT NOT NULL,                                              -- IP address
  name TEXT NOT NULL,                                                -- its hello
  listener TEXT NOT NULL,
  sender TEXT NOT NULL,                                              -- '' also where it is not known
  recipient TEXT NOT NULL,
  stage TEXT NOT NULL,
  reply TEXT NOT NULL,
  reason TEXT NOT NULL,
  sender_hash INTEGER NOT NULL,                                      -- as in lookup; 0: none
  recipient_hash INTEGER NOT NULL,
  judgements BLOB NOT NULL DEFAULT x''                               -- of filters, as in table judgement
) STRICT;
CREATE INDEX refusal_client ON refusal (client);
CREATE INDEX refusal_sender ON refusal (sender_hash);
CREATE INDEX refusal_recipient ON refusal (recipient_hash);

INSERT INTO schema_info VALUES (1, 5, 0);
