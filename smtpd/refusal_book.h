// The refusals of this process on their way to qmgr's history. A flood costs little and drives
// nobody out: equal ones are counted, one client has kRefusalsPerClient of its own between two
// frames, and what is beyond that is kept as one number for client, stage and reason. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/ipc/refusals.h"

namespace postwain::smtpd {

constexpr std::size_t kRefusalsPerClient = 20;

class RefusalBook {
 public:
  void add(ipc::Refusal refusal);
  // All that is to be told, oldest first; at most ipc::kRefusalsInFrame.
  std::vector<ipc::Refusal> take();
  std::uint64_t lost() const { return lost_; }  // found no room

 private:
  bool count_equal(const std::string& key, const ipc::Refusal& refusal);
  void keep(std::string key, ipc::Refusal refusal);

  std::vector<ipc::Refusal> kept_;
  std::unordered_map<std::string, std::size_t> by_key_;  // in kept_
  std::unordered_map<std::string, std::size_t> by_client_;
  std::uint64_t lost_ = 0;
};

}  // namespace postwain::smtpd
