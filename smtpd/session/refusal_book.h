// The refusals of this process on their way to qmgr's history. A flood costs little and drives
// nobody out: equal ones are counted, one client has kRefusalsPerClient of its own between two
// frames, and what is beyond that is kept as one number for client, stage and reason. In an hour it
// is no more than kRefusalsPerHour of each of these kinds, or one stranger could drive the rows of
// all others out of the history within a night. A client is an IPv4 address or an IPv6 site.
// Pure: time is told.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/rate_table.h"
#include "common/ipc/refusals.h"

namespace postwain::smtpd {

constexpr std::size_t kRefusalsPerClient = 20;
constexpr std::uint32_t kRefusalsPerHour = 60;

class RefusalBook {
 public:
  void add(ipc::Refusal refusal, MonoTime now);
  // All that is to be told, oldest first; at most ipc::kRefusalsInFrame.
  std::vector<ipc::Refusal> take();
  // Found no room, or were too many of one client.
  std::uint64_t lost() const { return lost_; }

 private:
  bool count_equal(const std::string& key, const ipc::Refusal& refusal);
  void keep(std::string key, ipc::Refusal refusal);

  std::vector<ipc::Refusal> kept_;
  std::unordered_map<std::string, std::size_t> by_key_;  // in kept_
  std::unordered_map<std::string, std::size_t> by_client_;
  static constexpr std::size_t kClientsMax = 20'000;
  RateTable one_by_one_{kClientsMax};
  RateTable together_{kClientsMax};
  std::uint64_t lost_ = 0;
};

}  // namespace postwain::smtpd
