// What the process does: counts the results that qmgr passes on, and makes reports of the days that
// are over, for the domains that ask for them: of TLS (RFC 8460) and of DMARC (RFC 9990).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/config/config_fwd.h"
#include "common/daemon/qmgr_link.h"
#include "common/dns/resolver.h"
#include "common/http/fetcher.h"
#include "common/ipc/reporter_report.h"
#include "common/net/loop.h"
#include "reporter/sending/report_desk.h"

namespace postwain::reporter {

constexpr Duration kLookEvery = std::chrono::seconds(2);
constexpr Duration kLastWords = std::chrono::milliseconds(500);
// While draining: for the one before us to leave the folders.
constexpr Duration kFolderTimeout = std::chrono::seconds(2);

class Reporter {
 public:
  struct Setup {
    std::string name;
    std::optional<Signer> signer;  // of TLS reports
    std::function<void()> on_ready;
  };
  Reporter(net::Loop& loop, const config::Config& config, dns::Resolver& resolver,
           std::unique_ptr<http::Fetcher> fetcher, Setup setup);
  ~Reporter();
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  // Hears what is on its way still (until qmgr is gone, or kLastWords), saves, and then calls done.
  void drain(std::function<void()> done);

 private:
  void qmgr_up(const ipc::Welcome& welcome);
  void qmgr_down();
  bool frame(ipc::FrameType type, std::string_view payload);
  bool begin();
  void look();
  void report();
  void end();

  net::Loop& loop_;
  std::unique_ptr<http::Fetcher> fetcher_;
  Setup setup_;
  std::vector<std::unique_ptr<ReportDesk>> desks_;  // of each kind that is wanted
  ipc::ReporterReport told_;                        // last
  std::optional<mail::QueueIdSource> ids_;
  std::function<void()> on_drained_;  // while draining
  MonoTime drain_until_{};
  net::Timer timer_;
  daemon::QmgrLink link_;
};

}  // namespace postwain::reporter
