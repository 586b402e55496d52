// What the process does: counts the results that qmgr passes on, and makes reports of the days that
// are over, for the domains that ask for them (RFC 8460).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/config/config_fwd.h"
#include "common/daemon/qmgr_link.h"
#include "common/dns/resolver.h"
#include "common/http/fetcher.h"
#include "common/net/loop.h"
#include "reporter/report.h"
#include "reporter/report_sender.h"
#include "reporter/report_spool.h"
#include "reporter/result_counts.h"

namespace postwain::reporter {

constexpr Duration kLookEvery = std::chrono::seconds(2);
constexpr Duration kSaveEvery = std::chrono::seconds(60);
constexpr Duration kAskAgain = std::chrono::minutes(10);  // where the DNS had no answer
constexpr Duration kLastWords = std::chrono::milliseconds(500);
// While draining: for the one before us to leave the folder.
constexpr Duration kFolderTimeout = std::chrono::seconds(2);
constexpr std::size_t kAskedMax = 20;  // at once

class Reporter {
 public:
  struct Setup {
    std::string name;
    std::optional<Signer> signer;
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
  void save();
  void end();
  void begin();
  bool frame(ipc::FrameType type, std::string_view payload);
  void look();
  bool is_due(const ResultCounts::Due& due, WallTime now) const;
  void ask(const ResultCounts::Due& due);
  void answered(const ResultCounts::Due& due, const dns::TextAnswer& answer);
  void make(const ResultCounts::Due& due, const std::vector<ReportUri>& uris);

  net::Loop& loop_;
  const config::Config& config_;
  dns::Resolver& resolver_;
  std::unique_ptr<http::Fetcher> fetcher_;
  Setup setup_;
  Submitter submitter_;
  ReportSpool spool_;
  ResultCounts counts_;
  ReportSender sender_;
  std::map<std::pair<Day, std::string>, MonoTime> ask_again_;
  std::size_t asked_ = 0;
  bool begun_ = false;  // the folder is ours alone
  bool changed_ = false;
  std::function<void()> on_drained_;  // while draining
  MonoTime drain_until_{};
  MonoTime saved_at_{};
  net::Timer timer_;
  daemon::QmgrLink link_;
};

}  // namespace postwain::reporter
