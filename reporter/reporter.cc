#include "reporter/reporter.h"

#include <functional>
#include <utility>

#include "common/config/config.h"
#include "common/log/log.h"

namespace postwain::reporter {

namespace {

Submitter submitter_of(const config::Config& config) {
  const config::TlsReports& settings = config.tls_reports;
  return {settings.organization, settings.contact,
          settings.from.substr(settings.from.rfind('@') + 1), config.hostname};
}

// How long the domains of a day are asked for their records after it.
constexpr Duration kAskedFor = std::chrono::hours(48);

}  // namespace

Reporter::Reporter(net::Loop& loop, const config::Config& config, dns::Resolver& resolver,
                   std::unique_ptr<http::Fetcher> fetcher, Setup setup)
    : loop_(loop),
      config_(config),
      resolver_(resolver),
      fetcher_(std::move(fetcher)),
      setup_(std::move(setup)),
      submitter_(submitter_of(config)),
      spool_(config.tls_reports.folder),
      sender_({config_, submitter_, setup_.signer, resolver_, *fetcher_, spool_}),
      timer_(loop),
      link_(loop, config.qmgr_socket(), ipc::Role::reporter, setup_.name,
            daemon::QmgrLink::Callbacks{
                .on_up =
                    [this](const ipc::Welcome& welcome) {
                      sender_.qmgr_up(link_, welcome.worker);
                      setup_.on_ready();
                    },
                .on_down =
                    [this](const std::string&) {
                      sender_.qmgr_down();
                      if (on_drained_) end();
                    },
                .on_frame = [this](ipc::FrameType type,
                                   std::string_view payload) { return frame(type, payload); },
                .on_drained = {},
            }) {
  begin();
  timer_.repeat(kLookEvery, [this] { look(); });
}

Reporter::~Reporter() = default;

// The one before us has saved what it counted when its lock is free.
void Reporter::begin() {
  auto locked = spool_.lock();
  if (!locked) log::Line(log::Level::error, "tls_reports_folder").kv("error", locked.error().text);
  if (!locked || !*locked) return;
  auto text = spool_.counts();
  std::size_t bad = text ? counts_.load(*text) : 0;
  if (!text) log::Line(log::Level::error, "tls_reports_folder").kv("error", text.error().text);
  if (bad > 0)
    log::Line(log::Level::warning, "tls_reports_folder")
        .kv("error", "lines of tally.jsonl that cannot be read")
        .kv("count", bad);
  sender_.take_kept();
  saved_at_ = loop_.now();
  begun_ = true;
}

bool Reporter::frame(ipc::FrameType type, std::string_view payload) {
  if (type == ipc::FrameType::submit_result) {
    ipc::SubmitResult result;
    if (!ipc::decode(payload, result)) return false;
    sender_.submitted(result);
    return true;
  }
  if (type != ipc::FrameType::tls_results) return true;  // admission and the like
  ipc::TlsResults told;
  if (!ipc::decode(payload, told)) return false;
  Day today = day_of(wall_now());
  for (const mail::CountedTlsResult& one : told.results) counts_.add(today, one.result, one.count);
  changed_ = true;
  return true;
}

void Reporter::drain(std::function<void()> done) {
  on_drained_ = std::move(done);
  drain_until_ = loop_.now() + kLastWords + kFolderTimeout;
  if (!link_.up()) return end();
  timer_.start(kLastWords, [this] { end(); });
}

void Reporter::end() {
  constexpr Duration kAgain = std::chrono::milliseconds(20);
  if (!begun_) begin();
  // A stop right behind a reload: what we have counted goes to what the one before us has.
  if (!begun_ && loop_.now() < drain_until_) return timer_.start(kAgain, [this] { end(); });
  save();
  if (auto done = std::exchange(on_drained_, nullptr)) done();
}

void Reporter::save() {
  if (!begun_ || !changed_) return;
  saved_at_ = loop_.now();
  Status saved = spool_.save_counts(counts_.text());
  if (saved)
    changed_ = false;
  else
    log::Line(log::Level::error, "tls_reports_folder").kv("error", saved.error().text);
}

void Reporter::look() {
  if (!begun_) begin();
  if (!begun_) return;
  WallTime now = wall_now();
  for (const ResultCounts::Due& due : counts_.before(day_of(now))) {
    if (asked_ >= kAskedMax) break;
    auto again = ask_again_.find({due.day, due.domain});
    bool waits = again != ask_again_.end() && loop_.now() < again->second;
    if (!waits && is_due(due, now)) ask(due);
  }
  if (loop_.now() - saved_at_ >= kSaveEvery) save();
  sender_.work();
}

// Not all at midnight: every domain has a moment of its own, the same each day.
bool Reporter::is_due(const ResultCounts::Due& due, WallTime now) const {
  Duration spread = config_.tls_reports.spread;
  Duration after{};
  if (spread > Duration{}) {
    std::size_t hash = std::hash<std::string>()(submitter_.hostname + " " + due.domain);
    after = Duration(static_cast<Duration::rep>(hash % static_cast<std::size_t>(spread.count())));
  }
  return now >= WallTime(due.day + std::chrono::days(1)) + after;
}

void Reporter::ask(const ResultCounts::Due& due) {
  ask_again_[{due.day, due.domain}] = loop_.now() + kAskAgain;
  ++asked_;
  resolver_.lookup_text("_smtp._tls." + due.domain, [this, due](const dns::TextAnswer& answer) {
    --asked_;
    answered(due, answer);
  });
}

void Reporter::answered(const ResultCounts::Due& due, const dns::TextAnswer& answer) {
  bool unknown = answer.status == dns::AnswerStatus::temporary;
  if (unknown && wall_now() < WallTime(due.day + std::chrono::days(1)) + kAskedFor) return;
  std::vector<ReportUri> uris = report_uris(answer.texts);
  if (!uris.empty()) return make(due, uris);
  ask_again_.erase({due.day, due.domain});
  counts_.remove(due.day, due.domain);
  changed_ = true;
}

void Reporter::make(const ResultCounts::Due& due, const std::vector<ReportUri>& uris) {
  const ResultCounts::Results* results = counts_.find(due.day, due.domain);
  if (results == nullptr) return;
  PendingReport pending;
  pending.domain = due.domain;
  pending.day = due.day;
  pending.report = report_json(submitter_, due.day, due.domain, *results);
  pending.made = wall_now();
  for (const ReportUri& uri : uris) {
    pending.uri = uri;
    Status kept = sender_.take(pending);
    if (kept) continue;
    log::Line(log::Level::error, "tls_reports_folder").kv("error", kept.error().text);
    return;  // again in a while
  }
  ask_again_.erase({due.day, due.domain});
  counts_.remove(due.day, due.domain);
  changed_ = true;
}

}  // namespace postwain::reporter
