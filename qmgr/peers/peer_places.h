// Who may have a connection to qmgr when many want one: every user of the machine may come, so one
// user gets few places, and all ordinary users together leave some for our own processes and for
// root. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

namespace postwain::qmgr {

constexpr std::size_t kPeersMax = 1000;
constexpr std::size_t kPeersOfAUser = 50;  // of one that is none of ours
constexpr std::size_t kPeersOfOthers = 800;

class PeerPlaces {
 public:
  // ours: root, qmgr's own user, and those of the other processes.
  explicit PeerPlaces(std::set<std::uint32_t> ours) : ours_(std::move(ours)) {}

  bool is_ours(std::uint32_t uid) const { return ours_.contains(uid); }
  // True: the place is taken, until leave().
  bool enter(std::uint32_t uid);
  void leave(std::uint32_t uid);
  std::size_t taken() const { return all_; }

 private:
  std::set<std::uint32_t> ours_;
  std::map<std::uint32_t, std::size_t> by_user_;  // of others
  std::size_t others_ = 0;
  std::size_t all_ = 0;
};

}  // namespace postwain::qmgr
