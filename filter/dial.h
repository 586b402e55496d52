// The way to the socket of an outside filter: looks its host up, and tries one address after
// another.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/config/table/filter.h"
#include "common/net/stream.h"
#include "filter/shared.h"

namespace postwain::filter {

class Dial {
 public:
  // Begins at once; done is called once, later, unless this is destroyed first. socket outlives it.
  Dial(Shared& shared, const config::FilterSocket& socket, std::function<void(const Status&)> done);
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

  // After success: connected, not yet reading.
  net::Stream take() { return std::move(stream_); }

 private:
  void connect();
  void connected(const Status& status);

  Shared& shared_;
  const config::FilterSocket& socket_;
  std::function<void(const Status&)> done_;
  net::Stream stream_;
  std::vector<std::string> hosts_;  // addresses that are still to be tried, the last one first
  std::shared_ptr<bool> lives_ = std::make_shared<bool>(true);  // for a lookup
};

}  // namespace postwain::filter
