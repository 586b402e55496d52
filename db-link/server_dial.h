// The way to the server of a database: looks its name up and connects to one of its addresses, of
// both families. While one address is silent the next one is tried beside it, and the first that
// answers is taken (RFC 8305), so that an address that leads nowhere costs a fraction of a second.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/config/table/database.h"
#include "common/dns/resolver.h"
#include "common/net/loop.h"
#include "common/net/stream.h"

namespace postwain::dblink {

constexpr std::size_t kAddressesTried = 8;  // of one host; further ones are not looked at
constexpr Duration kNextAddressAfter = std::chrono::milliseconds(300);

class ServerDial {
 public:
  // Begins at once. done is called once, with a stream that is connected and not yet read, or with
  // the reason of the last address that failed; not before this returns, and not when this is
  // destroyed first. It has no deadline: whoever waits for it destroys it. host outlives it.
  ServerDial(net::Loop& loop, dns::Resolver& resolver, const config::DatabaseHost& host,
             std::function<void(Result<net::Stream>)> done);
  ServerDial(const ServerDial&) = delete;
  ServerDial& operator=(const ServerDial&) = delete;

 private:
  void found(const dns::AddressAnswer& answer);
  void try_next();
  void ended(std::size_t attempt, const Status& status);
  void fail(std::string why);

  net::Loop& loop_;
  const config::DatabaseHost& host_;
  std::function<void(Result<net::Stream>)> done_;
  net::Timer timer_;
  std::vector<std::string> addresses_;
  std::vector<net::Stream> attempts_;                           // to the addresses in their order
  std::size_t open_ = 0;                                        // those that may still succeed
  std::shared_ptr<bool> lives_ = std::make_shared<bool>(true);  // for a lookup
};

}  // namespace postwain::dblink
