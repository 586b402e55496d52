// What operators may ask of the nodes that share the queue, and what they are told.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace postwain::qmgr {

struct NodeView {
  int number = 0;
  std::string name;
  std::string state;  // live, draining, gone
  std::int64_t term = 0;
  int weight = 1;
  bool busy = false;
  bool idle = false;
  bool stay = true;  // it is wanted to have bags
  std::string version;
  std::string config;
  Duration beat_age{};
  int bags = 0;
  bool self = false;
};

struct ClusterView {
  std::string standing;  // live, unsure, fenced, joining
  Duration word_age{};
  int node = 0;
  std::int64_t term = 0;
  std::vector<NodeView> nodes;
  int orphans = 0;
  std::string server;
  std::string worth;  // what a 250 is worth
  std::uint64_t fences = 0;
  std::uint64_t adoptions = 0;
  std::uint64_t gives = 0;
};

class ClusterPort {
 public:
  virtual ~ClusterPort() = default;
  virtual ClusterView view() const = 0;
  using Done = std::function<void(const std::string& error)>;  // empty: done
  virtual void set_stay(const std::string& node, bool stay, Done done) = 0;
  virtual void fence(const std::string& node, Done done) = 0;
  virtual void leave(const std::string& node, Done done) = 0;
};

}  // namespace postwain::qmgr
