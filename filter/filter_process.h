// What the process does: takes the links to smtpds that qmgr hands it, and has the filters of the
// configuration asked for what comes over them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/daemon/qmgr_link.h"
#include "filter/authentication/dmarc_notes.h"
#include "filter/deciding/content_matcher.h"
#include "filter/shared.h"
#include "filter/smtpd_link.h"

namespace postwain::filter {

constexpr std::size_t kLinksMax = 256;
constexpr Duration kReportEvery = std::chrono::seconds(1);
// A client may be slow with a message that this process has to judge to its end. Where the whole
// system ends, smtpd's links end before.
constexpr Duration kDrainMax = std::chrono::minutes(10);
// So long an smtpd may take to say that it begins no message any more.
constexpr Duration kNothingMoreWait = std::chrono::seconds(10);

struct Setup {
  std::string name;
  std::string qmgr_socket;
  std::vector<config::Filter> filters;
  std::vector<CompiledRule> content_rules{};
  std::vector<std::unique_ptr<Judge>> own_checks{};  // they come before the filters
  std::vector<ListenerName> listeners;
  std::function<void()> on_ready{};
  ScratchFile scratch{};
  decltype(Shared::lookup) lookup{};
  DmarcNotes* dmarc_notes = nullptr;  // told to qmgr; outlives the process's objects
};

// The filters, then the content rules, in their order.
std::vector<std::unique_ptr<Judge>> judges_of(std::vector<config::Filter> filters,
                                              std::vector<CompiledRule> rules);

class FilterProcess {
 public:
  FilterProcess(net::Loop& loop, Clock& clock, Setup setup);
  ~FilterProcess();
  FilterProcess(const FilterProcess&) = delete;
  FilterProcess& operator=(const FilterProcess&) = delete;

  // Another smtpd. One that finishes its sessions after a reload has the same name as the one after
  // it; a link ends when its other end does.
  void take_link(const std::string& peer, net::Stream stream);
  std::size_t links() const { return links_.size(); }
  // No message is to be begun from now on. Calls done when none is under way, after kDrainMax at
  // the latest.
  void drain(std::function<void()> done);

 private:
  bool frame(ipc::FrameType type, std::string_view payload);
  void wants_changed();
  void report(bool anyway);
  void tell_dmarc();
  void look_whether_drained();

  net::Loop& loop_;
  Shared shared_;
  std::vector<std::unique_ptr<SmtpdLink>> links_;
  std::function<void()> drained_;
  MonoTime drain_until_{};
  MonoTime answers_until_{};
  net::Timer timer_;
  net::Timer reports_;  // to qmgr, while there is something new
  net::Timer dmarc_reports_;
  DmarcNotes* dmarc_notes_;
  std::unique_ptr<daemon::QmgrLink> qmgr_;
};

}  // namespace postwain::filter
