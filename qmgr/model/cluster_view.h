// How a cluster looks from one of its nodes: what `postwain cluster status` and the metrics show.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace postwain::qmgr {

struct NodeView {
  int number = 0;  // 0 to 31
  std::string name;
  std::string state;  // live, draining, gone
  std::int64_t term = 0;
  int weight = 1;
  bool busy = false;
  bool idle = false;
  bool stay = true;     // false: it is asked to drain, and to keep out
  std::string version;  // of its program; empty: it has not told
  std::string config;   // a digest of its configuration; equal texts: equal ones
  Duration beat_age{};  // since this node saw its beat move
  int bags = 0;
  bool self = false;
};

constexpr std::size_t kDoubtsCounted = 10'000;

struct ClusterView {
  std::string standing;  // of this node: live, unsure, fenced, joining, draining
  Duration word_age{};   // since its last word was asked for
  int node = 0;
  std::int64_t term = 0;
  std::vector<NodeView> nodes;
  int orphans = 0;       // bags that no node owns
  std::string database;  // of the configuration: "database postwain at db1.example.org as postwain"
  std::string server;    // "PostgreSQL 15.18 at db1.example.org:5432"
  // Since the database has answered last, which is when all that is said of it and of the nodes was
  // so; below 0: it has not yet. silent: for too long (unsure). Why, as far as it is known.
  Duration heard{-1};
  bool silent = false;
  std::string database_trouble;
  // What a 250 is worth, a word of cluster::name_of(Worth).
  std::string worth;
  Duration clock_difference{};  // our wall clock is ahead of the database's by so much
  // Octets of the database's log that the standby furthest behind has not on its disk yet; below 0:
  // there is none.
  std::int64_t lag = -1;
  // Recipients of this node's bags that may have their message already; kDoubtsCounted: or more.
  std::size_t in_doubt = 0;
  // Since the start of this process, by this node.
  std::uint64_t fences = 0;
  std::uint64_t adoptions = 0;
  std::uint64_t gives = 0;
  // Octets of this node's history that others will never read, because the database was slow or
  // away for too long.
  std::uint64_t history_dropped = 0;
  // Of limits of connections that hold over all nodes, of this node: places that it has claimed,
  // and limits under which it has connections that wait for others to end.
  std::uint64_t places_claimed = 0;
  std::uint64_t limits_reached = 0;

  // Null: there is none.
  const NodeView* own() const {
    auto found =
        std::find_if(nodes.begin(), nodes.end(), [](const NodeView& one) { return one.self; });
    return found == nodes.end() ? nullptr : &*found;
  }
};

}  // namespace postwain::qmgr
