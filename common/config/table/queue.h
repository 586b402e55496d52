// [queue] and [bounces]: where the queue is kept, how long delivery is tried, and what senders are
// told.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/config/table/database.h"
#include "common/notice/words.h"

namespace postwain::config {

// Where the queue is kept ([queue] store): in the spool folder by SQLite, or in a database.
struct QueueDatabase {
  std::optional<DatabaseAddress> address;  // of PostgreSQL; none: SQLite
  std::string password;                    // the first line of the file that store_password names
  std::string node;                        // the name of this machine in it ([queue] node)
  std::optional<DatabaseTls> tls;          // none: verify, but off for loopback addresses
  // Contents in PEM, in the supervisor and in db-link alone.
  std::string roots;        // whom the server's certificate must lead to; empty: the system's
  std::string certificate;  // the chain that is shown to the server; empty: none
  std::string key;

  bool asks_tls(const DatabaseHost& host) const {
    return tls ? *tls == DatabaseTls::verify : !host.is_loopback();
  }

  bool operator==(const QueueDatabase&) const = default;
};

struct Queue {
  QueueDatabase store;
  Duration lifetime = std::chrono::hours(120);
  Duration bounce_lifetime = std::chrono::hours(48);
  std::optional<Duration> delay_warning = std::chrono::hours(4);
  std::vector<Duration> retry;  // the reader fills in the defaults
  std::vector<Duration> retry_lmtp;
  double jitter = 0.1;
  Duration history = std::chrono::hours(14 * 24);
};

struct Bounces {
  std::uint64_t original_max = notice::kDsnQuoteDefault;
  bool double_bounces = false;
  std::shared_ptr<const notice::Words> words;  // never null behind the parser
};

}  // namespace postwain::config
