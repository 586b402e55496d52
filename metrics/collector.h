// What the metrics are made of: qmgr's page, asked for over its socket, and the memory of each
// process that stands in it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/daemon/qmgr_link.h"
#include "common/net/loop.h"

namespace postwain::metrics {

constexpr Duration kAnswerMax = std::chrono::seconds(5);

class Collector {
 public:
  // Nothing: qmgr is not there or does not answer in time.
  using Done = std::function<void(const std::optional<std::string>& page)>;

  Collector(net::Loop& loop, const std::string& socket, const std::string& name,
            std::function<void()> on_up);
  void collect(Done done);

 private:
  struct Asked {
    Done done;
    std::unique_ptr<net::Timer> timer;
  };
  bool frame(ipc::FrameType type, std::string_view payload);
  void give_up();

  net::Loop& loop_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t last_ = 0;
  daemon::QmgrLink link_;
};

// The page with postwain_process_resident_bytes behind it.
std::string with_memory(std::string page);

}  // namespace postwain::metrics
