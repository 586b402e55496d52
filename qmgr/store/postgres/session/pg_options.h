// Where the queue's database is, who we are in it, and how long we wait for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/base/time.h"

namespace postwain::qmgr {

// The password, which a reload of the configuration may replace while the store's thread connects.
class PgSecret {
 public:
  void set(std::string text) {
    std::lock_guard lock(mutex_);
    text_ = std::move(text);
  }
  std::string get() const {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

// When a process that is to end no longer waits for a server that is silent: its sessions share
// this. A server that answers is given its time all the same. What has no answer then is as after a
// kill: the next start, or whoever takes the node's part over, looks for what was committed.
class PgEnding {
 public:
  void set(MonoTime when) { when_.store(when); }
  MonoTime when() const { return when_.load(); }
  bool is_over() const { return mono_now() >= when(); }

 private:
  std::atomic<MonoTime> when_{MonoTime::max()};
};

// A server that is reached through db-link: to libpq it is the folder of a socket of ours, and to
// people the host and port of the configuration.
struct PgPlace {
  std::string folder;
  std::string shown;  // "db1.example.org:5432"
};

struct PgOptions {
  // As libpq takes it: "postgresql:///postwain?host=/run/postgresql", or keywords. All hosts of a
  // cluster may be named: the one that can be written to is found among them. No password in it.
  std::string conninfo;
  std::vector<PgPlace> places;  // of it; what is said of a server names it so
  // Asked at each connection; null or empty: no password is needed.
  std::shared_ptr<const PgSecret> secret;

  // Null: the process ends at no special time.
  std::shared_ptr<const PgEnding> ending;

  // Our name among the nodes that share the queue, which gives us a number of 0 to 31.
  std::string node_name = "node0";
  std::uint16_t weight = 1;  // the share of the queue that we want, beside those of others
  std::string version;       // of this program
  // What tells this spool from others, at most 255 octets: a node that lives elsewhere is not taken
  // over, unless that is asked for; and not even then while its beat goes on (busy).
  std::string machine;
  bool take_over = false;
  bool make_tables = true;  // where there are none; false: that is an error (refused)
  // All of the queue is to be ours: nodes that do not live are ended, and others keep us from it
  // (busy). Otherwise we begin with what is ours still, or with all of it where nobody else is.
  bool alone = true;

  Duration connect_within = std::chrono::seconds(5);
  // So long a server may be silent before its session is given up.
  Duration answer_within = std::chrono::seconds(10);
  // So long we look for the fate of a commit whose answer was lost; then nobody knows it.
  Duration doubt_within = std::chrono::seconds(30);
  // So long another node's beat has to stand still, where all of the queue is to be ours, or its
  // name.
  Duration silence = std::chrono::seconds(6);
  // Between two attempts to connect; doubled up to the second.
  Duration first_pause = std::chrono::milliseconds(200);
  Duration longest_pause = std::chrono::seconds(2);
};

}  // namespace postwain::qmgr
