// Timelines out of records that were not written by this node: what somebody asks for is picked out
// of blocks of many records, and put together. Whatever the records are, it is bounded and ends.
// Pure.
//
// Twice the blocks are looked through: for the messages that are meant, since only some records of
// a message name what somebody looks for; and for all that is told of these messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qmgr/history/history_block.h"
#include "qmgr/history/timeline.h"

namespace postwain::qmgr {

constexpr std::size_t kMeantMost = 100;         // messages of one question
constexpr std::size_t kRefusalsMost = 1000;     // the same
constexpr std::size_t kPickedMost = 16U << 20;  // octets of records, the same

struct HistoryQuery {
  std::string text;    // a queue id, an address, a Message-ID, or an id at the next hop
  std::string client;  // an IP address: what was refused to it
  std::size_t limit = 20;

  std::vector<std::uint64_t> keys() const;
};

// The first look.
class MessagesMeant {
 public:
  explicit MessagesMeant(const HistoryQuery& query);
  // node: who tells; empty: this one.
  void look(std::string_view records, const std::string& node);
  // So many were found, also such as had to make room for newer ones.
  std::size_t count() const { return count_; }
  // The newest of them.
  std::vector<mail::QueueId> ids() const;
  std::vector<RefusedAttempt> refused() &&;

 private:
  void look_at(const ArrivalRecord& arrival);
  void look_at(const EventRecord& event);
  void look_at(const RefusalRecord& refusal, const std::string& node);
  void add(mail::QueueId id);
  bool is_address(std::string_view text) const;

  const HistoryQuery& query_;
  std::string bare_;  // without brackets
  std::string address_key_;
  mail::QueueId id_;  // 0: the text is none
  std::set<mail::QueueId> ids_;
  std::size_t count_ = 0;
  std::vector<RefusedAttempt> refused_;
};

// The second look, and what comes of it.
class TimelineBuilder {
 public:
  explicit TimelineBuilder(std::vector<mail::QueueId> ids) : ids_(ids.begin(), ids.end()) {}
  // Blocks come newest first.
  void look(std::string_view records, const std::string& node);
  bool full() const { return octets_ >= kPickedMost; }
  std::vector<Timeline> timelines(const std::string& query) &&;

 private:
  using Messages = std::map<mail::QueueId, Timeline>;
  static void take(std::string_view records, const std::string& node, std::string_view query,
                   Messages& messages);

  std::set<mail::QueueId> ids_;
  std::vector<std::pair<std::string, std::string>> picked_;  // node, records
  std::size_t octets_ = 0;
};

}  // namespace postwain::qmgr
