// A cluster that is what the test says, and remembers what was asked of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "qmgr/cluster/config_digest.h"
#include "qmgr/nodes/cluster_port.h"

namespace postwain::qmgr::test {

// What a node tells whose [limits] have this many connections.
inline std::string configured(const std::string& connections) {
  config::Loaded loaded;
  loaded.bundle.main_file = "postwain.toml";
  loaded.bundle.files["postwain.toml"] = "[limits]\nconnections = " + connections + "\n";
  return config_digest(loaded);
}

struct FakeCluster : ClusterPort {
  FakeCluster() {
    shown.standing = "live";
    shown.word_age = std::chrono::milliseconds(312);
    shown.node = 0;
    shown.term = 7;
    shown.server = "PostgreSQL 15.18 at db1";
    shown.worth = "local";
    shown.fences = 1;
    shown.adoptions = 21;
    shown.gives = 3;
    shown.places_claimed = 9;
    shown.limits_reached = 2;
    shown.orphans = 2;
    shown.nodes = {
        {0, "mx1", "live", 7, 4, false, true, true, "1.2", configured("1"), {}, 40, true},
        {1, "mx2", "draining", 3, 4, true, false, false, "1.2", configured("2"),
         std::chrono::milliseconds(480), 22, false},
        {5, "old", "gone", 12, 1, false, false, true, "", "", std::chrono::hours(1), 0, false},
        {6, "dead", "gone", 2, 1, false, false, true, "1.1", configured("1"),
         std::chrono::seconds(6), 11, false}};
  }

  ClusterView view() const override { return shown; }
  std::optional<std::uint8_t> owner_of(mail::QueueId id) const override {
    auto owner = owners.find(id);
    if (owner != owners.end()) return owner->second;
    return usual_owner;
  }
  std::uint8_t self() const override { return 0; }
  bool is_live(std::uint8_t node) const override { return !dead.contains(node); }
  std::string name_of(std::uint8_t node) const override { return "mx" + std::to_string(node + 1); }
  void set_stay(const std::string& node, bool stay, Done done) override {
    ask((stay ? "join " : "drain ") + node, std::move(done));
  }
  void fence(const std::string& node, Done done) override { ask("fence " + node, std::move(done)); }
  void leave(const std::string& node, Done done) override { ask("leave " + node, std::move(done)); }

  void ask(std::string what, Done done) {
    asked.push_back(std::move(what));
    if (later)
      waiting.push_back(std::move(done));
    else
      done(error);
  }

  ClusterView shown;
  std::map<mail::QueueId, std::optional<std::uint8_t>> owners;
  std::optional<std::uint8_t> usual_owner = 0;
  std::set<std::uint8_t> dead;
  std::vector<std::string> asked;
  std::string error;  // of what is asked from now on
  bool later = false;
  std::vector<Done> waiting;
};

}  // namespace postwain::qmgr::test
