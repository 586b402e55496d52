// What the tests of bodies as pieces share.
#pragma once

#include <catch2/catch.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qmgr/store/postgres/pg_piece_transfers.h"
#include "qmgr/store/writing/batch_writer.h"
#include "tests/unit/qmgr/support.h"
#include "tests/unit/store/postgres/pg_support.h"

namespace postwain::qmgr::test {

inline std::string body_of(std::size_t size, unsigned seed = 1) {
  std::string body(size, '\0');
  for (char& c : body) c = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return body;
}

inline PieceTransfers::Source source_of(const std::string& body) {
  return [&body, at = std::size_t{0}](std::size_t octets) mutable {
    std::string next = body.substr(at, octets);
    at += octets;
    return next;
  };
}

inline void put_body(PieceTransfers& transfers, std::uint64_t id, const std::string& body) {
  auto done = transfers.put(mail::QueueId{id}, body.size(), source_of(body));
  if (!done) FAIL(done.error().text);
  CHECK(*done);
}

inline std::optional<std::string> body_from(PieceTransfers& transfers, std::uint64_t id,
                                            std::uint64_t size) {
  std::string body;
  auto done = transfers.get(mail::QueueId{id}, size, [&body](std::string_view octets) {
    body += octets;
    return true;
  });
  if (!done) FAIL(done.error().text);
  return *done ? std::optional(body) : std::nullopt;
}

inline bool is_whole(PgStore& store, std::uint64_t id, std::uint64_t size) {
  ContentPieces::Body body{mail::QueueId{id}, size};
  auto whole = store.pieces()->whole({&body, 1});
  if (!whole) FAIL(whole.error().text);
  return whole->front();
}

inline NewMessage in_file(std::uint64_t id, std::uint64_t size, bool is_compact,
                          std::vector<std::string> to = {"a@x.org"}) {
  NewMessage message = make_message(id, std::move(to));
  message.info.in_file = true;
  message.info.header_size = static_cast<std::uint32_t>(message.content.size());
  message.info.size = message.content.size() + size;
  message.is_compact = is_compact;
  return message;
}

inline AcceptEnd accept(PgStore& store, Submission submission, std::string* error = nullptr) {
  Batch batch;
  batch.accepts.push_back(std::make_unique<AcceptRequest>());
  batch.accepts.front()->submission = std::move(submission);
  Batch written;
  StoreStatus done = BatchWriter(store, nullptr).write(batch, written);
  if (!done) FAIL(done.error().text);
  if (error != nullptr) *error = written.accepts.front()->error;
  return written.accepts.front()->end;
}

inline AcceptEnd accept(PgStore& store, const NewMessage& message) {
  return accept(store, Submission{message, {}, {}, {}});
}

inline Settled settle(PgStore& store, Settlement settlement) {
  settlement.in_file = true;
  Batch batch;
  batch.settles.push_back(std::make_unique<SettleRequest>());
  batch.settles.front()->settlement = std::move(settlement);
  Batch written;
  StoreStatus done = BatchWriter(store, nullptr).write(batch, written);
  if (!done) FAIL(done.error().text);
  REQUIRE(written.settles.front()->error.empty());
  return written.settles.front()->settled;
}

inline RecipientChange change_of(std::uint32_t index, ChangeKind kind) {
  RecipientChange change;
  change.index = index;
  change.kind = kind;
  change.destination = "mx:x.org";
  return change;
}

// A database with a store of this node, and the way for bodies.
struct PieceNode {
  explicit PieceNode(const PgOptions& options)
      : store(opened(options)), transfers(store->pieces()->transfers()) {}
  PieceNode() : PieceNode(database().options()) {}

  // One for each test case, made at its first use.
  static test::PostgresDatabase& database() { return *current; }
  static inline std::unique_ptr<test::PostgresDatabase> current;

  std::unique_ptr<PgStore> store;
  std::shared_ptr<PieceTransfers> transfers;
};

struct PieceTables {
  PieceTables() { PieceNode::current = std::make_unique<test::PostgresDatabase>(); }
  ~PieceTables() { PieceNode::current.reset(); }
  std::int64_t pieces() const {
    return PieceNode::current->run("SELECT count(*) FROM chunk WHERE bag >= 0");
  }
  std::int64_t run(const std::string& sql) const { return PieceNode::current->run(sql); }
};

}  // namespace postwain::qmgr::test
