// What was promised to whom, kept outside of the program: every request to the store with the
// moment it was handed over and the moment it was answered, as positions in the log of the disk.
// Judges what is found on a disk after a cut.
//
// A request is one promise: before its answer all of its changes have happened or none (a failed
// recipient and the bounce that tells of it are one request); after the answer all have.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qmgr/model/message.h"

namespace postwain::powerloss {

using Key = std::pair<std::uint64_t, std::uint32_t>;  // message, index

// A recipient's row, or that there is none.
struct Row {
  bool there = false;
  bool held = false;
  bool in_doubt = false;
  std::uint32_t attempts = 0;
  std::int64_t next_ms = 0;
  bool operator==(const Row&) const = default;
  std::string text() const;
};
Row row_of(const qmgr::StoredRecipient& recipient);

// What a store gives after a start.
struct Found {
  std::map<Key, Row> rows;
  std::map<std::uint64_t, std::string> contents;
};

class Ledger {
 public:
  Ledger() = default;
  // Of a second life: what was found is what is promised from now on.
  explicit Ledger(const Found& found);

  using Changes = std::map<Key, Row>;
  // Handed to the store; returns its number.
  std::size_t begin(std::string what, Changes changes, std::size_t position);
  void promised(std::size_t request, std::size_t position);
  void content(std::uint64_t id, std::string bytes) { contents_[id] = std::move(bytes); }
  const std::string& content_of(std::uint64_t id) const { return contents_.at(id); }

  const std::map<Key, Row>& now() const { return now_; }  // after all that was promised
  std::size_t promises() const;
  // The first thing that is wrong after a cut at that position; empty: all is as it must be.
  std::string judge(const Found& found, std::size_t position) const;

 private:
  struct Request {
    std::string what;
    Changes changes;
    std::size_t begun;
    std::optional<std::size_t> promised;
  };
  std::string judge_rows(const Found& found, std::size_t position) const;
  std::string judge_contents(const Found& found) const;

  std::vector<Request> requests_;
  std::map<Key, Row> now_;
  std::map<std::uint64_t, std::string> contents_;
};

}  // namespace postwain::powerloss
