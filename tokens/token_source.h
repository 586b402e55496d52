// Access tokens for logging in at next hops (RFC 7628): what the commands print that routes name. A
// token is used again for a minute; longer is the command's business, which knows when it expires.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/net/command.h"
#include "common/net/loop.h"

namespace postwain::tokens {

constexpr Duration kTokenFresh = std::chrono::seconds(60);
constexpr Duration kTokenPause = std::chrono::seconds(5);  // at least, between two runs
constexpr Duration kTokenRunMax = std::chrono::seconds(30);
constexpr std::size_t kTokenMax = 16U << 10;

class TokenSource {
 public:
  using Done = std::function<void(const Result<std::string>&)>;

  TokenSource(net::Loop& loop, const config::Config& config) : loop_(loop), config_(config) {}
  // Only commands that stand in a route are run. refused: the token of last time was not taken.
  // done is called once, perhaps before this returns, and not any more when this is destroyed.
  void find(const std::string& command, bool refused, Done done);

 private:
  struct Entry {
    Result<std::string> token = Error{"never run"};
    MonoTime ran_at{};
    std::unique_ptr<net::Command> running;
    std::vector<Done> waiting;
  };
  bool is_configured(const std::string& command) const;
  void run(const std::string& command, Entry& entry);
  void ended(const std::string& command, Result<std::string> output);

  net::Loop& loop_;
  const config::Config& config_;
  std::map<std::string, Entry> entries_;  // as many as there were commands
};

}  // namespace postwain::tokens
