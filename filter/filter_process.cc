#include "filter/filter_process.h"

#include <algorithm>
#include <utility>

#include "common/ipc/dmarc_results.h"
#include "common/log/log.h"
#include "filter/content_rules/content_rule_judge.h"
#include "filter/milter/outside_filter.h"
#include "filter/policy/policy_service.h"
#include "filter/rspamd/rspamd_service.h"

namespace postwain::filter {

namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(50);

std::unique_ptr<Judge> make_judge(config::Filter settings) {
  switch (settings.speak) {
    case config::FilterProtocol::milter:
      break;
    case config::FilterProtocol::policy:
      return std::make_unique<PolicyService>(std::move(settings));
    case config::FilterProtocol::rspamd:
      return std::make_unique<RspamdService>(std::move(settings));
  }
  return std::make_unique<OutsideFilter>(std::move(settings));
}

}  // namespace

std::vector<std::unique_ptr<Judge>> judges_of(std::vector<config::Filter> filters,
                                              std::vector<CompiledRule> rules) {
  std::vector<std::unique_ptr<Judge>> out;
  for (config::Filter& settings : filters) out.push_back(make_judge(std::move(settings)));
  if (!rules.empty()) out.push_back(std::make_unique<ContentRuleJudge>(std::move(rules)));
  return out;
}

FilterProcess::FilterProcess(net::Loop& loop, Clock& clock, Setup setup)
    : loop_(loop),
      shared_{loop, clock},
      timer_(loop),
      reports_(loop),
      dmarc_reports_(loop),
      dmarc_notes_(setup.dmarc_notes) {
  shared_.judges = std::move(setup.own_checks);
  for (auto& judge : judges_of(std::move(setup.filters), std::move(setup.content_rules)))
    shared_.judges.push_back(std::move(judge));
  shared_.listeners = std::move(setup.listeners);
  shared_.room.file = std::move(setup.scratch);
  shared_.lookup = std::move(setup.lookup);
  shared_.wants_changed = [this] { wants_changed(); };
  if (setup.qmgr_socket.empty()) return;
  qmgr_ = std::make_unique<daemon::QmgrLink>(
      loop, setup.qmgr_socket, ipc::Role::filter, setup.name,
      daemon::QmgrLink::Callbacks{
          .on_up =
              [this, ready = std::move(setup.on_ready)](const ipc::Welcome&) {
                report(true);
                if (ready) ready();
              },
          .on_down = {},  // the links to smtpds stand without it
          .on_frame = [this](ipc::FrameType type,
                             std::string_view payload) { return frame(type, payload); },
          .on_drained = {},
      });
  reports_.repeat(kReportEvery, [this] { report(false); });
  if (dmarc_notes_ != nullptr) dmarc_reports_.repeat(kDmarcNotesEvery, [this] { tell_dmarc(); });
}

FilterProcess::~FilterProcess() = default;

bool FilterProcess::frame(ipc::FrameType type, std::string_view payload) {
  ipc::PeerLink link;
  if (type != ipc::FrameType::peer_link) return true;  // admission and the like
  if (!ipc::decode(payload, link)) return false;
  UniqueFd descriptor = qmgr_->take_descriptor(link.file);
  if (!descriptor) {
    log::Line(log::Level::warning, "filter_link_failed")
        .kv("peer", link.peer)
        .kv("reason", "no descriptor came with it");
    return true;
  }
  auto stream = net::Stream::adopt(loop_, descriptor.release());
  if (stream)
    take_link(link.peer, stream.take());
  else
    log::Line(log::Level::warning, "filter_link_failed")
        .kv("peer", link.peer)
        .kv("reason", stream.error().text);
  return true;
}

void FilterProcess::take_link(const std::string& peer, net::Stream stream) {
  if (links_.size() >= kLinksMax) {
    log::Line(log::Level::error, "filter_link_failed")
        .kv("peer", peer)
        .kv("reason", "too many links");
    return;
  }
  log::Line(log::Level::info, "filter_link_up").kv("peer", peer);
  links_.push_back(
      std::make_unique<SmtpdLink>(shared_, peer, std::move(stream), [this](SmtpdLink& gone) {
        std::erase_if(links_, [&](const auto& link) { return link.get() == &gone; });
        // Where all of Postwain ends, smtpds go first, and qmgr not before the last of them.
        tell_dmarc();
      }));
  if (drained_) links_.back()->drain();
}

// While qmgr is away the counts wait for it.
void FilterProcess::report(bool anyway) {
  if (!qmgr_ || !qmgr_->up()) return;
  bool news = std::any_of(shared_.judges.begin(), shared_.judges.end(),
                          [](const auto& judge) { return judge->has_news(); });
  if (news || anyway) qmgr_->send(report_of(shared_));
}

void FilterProcess::tell_dmarc() {
  if (dmarc_notes_ == nullptr || !qmgr_ || !qmgr_->up()) return;
  for (;;) {
    ipc::DmarcResults told{dmarc_notes_->take()};
    if (told.results.empty()) return;
    qmgr_->send(told);
  }
}

void FilterProcess::wants_changed() {
  for (const auto& link : links_) link->send_wants();
}

void FilterProcess::drain(std::function<void()> done) {
  drained_ = std::move(done);
  drain_until_ = shared_.clock.mono() + kDrainMax;
  answers_until_ = shared_.clock.mono() + kNothingMoreWait;
  for (const auto& link : links_) link->drain();
  timer_.repeat(kLookEvery, [this] { look_whether_drained(); });
}

void FilterProcess::look_whether_drained() {
  bool awaited = shared_.clock.mono() < answers_until_;
  bool busy = std::any_of(links_.begin(), links_.end(), [awaited](const auto& link) {
    return awaited ? link->is_busy() : link->in_message();
  });
  if (busy && shared_.clock.mono() < drain_until_) return;
  report(false);
  tell_dmarc();
  if (qmgr_ && qmgr_->pending() > 0 && shared_.clock.mono() < drain_until_) return;
  timer_.stop();
  drained_();
}

}  // namespace postwain::filter
