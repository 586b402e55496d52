#include "reporter/sending/report_desk.h"

#include <functional>
#include <utility>

#include "common/log/log.h"

namespace postwain::reporter {

namespace {

// How long the domains of a day are asked for their records after it.
constexpr Duration kAskedFor = std::chrono::hours(48);

}  // namespace

ReportDesk::ReportDesk(Parts parts, DeskSetup setup, const MakeKind& make_kind)
    : loop_(parts.loop),
      setup_(std::move(setup)),
      kind_(make_kind(parts.resolver, setup_.submitter)),
      spool_(kind_->terms().subject, setup_.folder),
      sender_({parts.config, setup_.submitter, setup_.signer, parts.resolver, parts.fetcher, *kind_,
               spool_}) {}

ReportDesk::~ReportDesk() = default;

void ReportDesk::note(const std::string& error) const {
  bool tls = kind_->terms().subject == ReportSubject::tls;
  log::Line(log::Level::error, tls ? "tls_reports_folder" : "dmarc_reports_folder")
      .kv("error", error);
}

// The one before us has saved what it counted when its lock is free.
bool ReportDesk::begin() {
  if (begun_) return true;
  auto locked = spool_.lock();
  if (!locked) note(locked.error().text);
  if (!locked || !*locked) return false;
  auto text = spool_.counts();
  std::size_t bad = text ? kind_->load(*text) : 0;
  if (!text) note(text.error().text);
  bool tls = kind_->terms().subject == ReportSubject::tls;
  if (bad > 0)
    log::Line(log::Level::warning, tls ? "tls_reports_folder" : "dmarc_reports_folder")
        .kv("error", "lines of tally.jsonl that cannot be read")
        .kv("count", bad);
  sender_.take_kept();
  saved_at_ = loop_.now();
  begun_ = true;
  return true;
}

bool ReportDesk::frame(ipc::FrameType type, std::string_view payload) {
  if (type != kind_->counted()) return true;
  changed_ = true;
  std::optional<std::uint64_t> told = kind_->count(payload, day_of(wall_now()));
  results_ += told.value_or(0);
  return told.has_value();
}

ipc::ReportTopic ReportDesk::topic() const {
  return kind_->terms().subject == ReportSubject::tls ? ipc::ReportTopic::tls
                                                      : ipc::ReportTopic::dmarc;
}

ipc::ReporterCounts ReportDesk::take_counts() {
  ipc::ReporterCounts out = sender_.take_counts();
  out.results = std::exchange(results_, 0);
  return out;
}

void ReportDesk::save() {
  if (!begun_ || !changed_) return;
  saved_at_ = loop_.now();
  if (Status saved = spool_.save_counts(kind_->counts()); !saved) return note(saved.error().text);
  changed_ = false;
}

void ReportDesk::look() {
  WallTime now = wall_now();
  for (const DueReport& due : kind_->before(day_of(now))) {
    if (asked_ >= kAskedMax) break;
    auto again = ask_again_.find({due.day, due.domain});
    bool waits = again != ask_again_.end() && loop_.now() < again->second;
    if (!waits && is_due(due, now)) ask(due);
  }
  if (loop_.now() - saved_at_ >= kSaveEvery) save();
  sender_.work();
}

// Not all at midnight: every domain has a moment of its own, the same each day.
bool ReportDesk::is_due(const DueReport& due, WallTime now) const {
  Duration spread = setup_.spread;
  Duration after{};
  if (spread > Duration{}) {
    std::size_t hash = std::hash<std::string>()(setup_.submitter.hostname + " " + due.domain);
    after = Duration(static_cast<Duration::rep>(hash % static_cast<std::size_t>(spread.count())));
  }
  return now >= WallTime(due.day + std::chrono::days(1)) + after;
}

void ReportDesk::ask(const DueReport& due) {
  ask_again_[{due.day, due.domain}] = loop_.now() + kAskAgain;
  ++asked_;
  kind_->find_places(due.domain, [this, due](const ReportPlaces& found) {
    --asked_;
    answered(due, found);
  });
}

void ReportDesk::answered(const DueReport& due, const ReportPlaces& found) {
  if (!found.known && wall_now() < WallTime(due.day + std::chrono::days(1)) + kAskedFor) return;
  if (!found.places.empty()) return make(due, found.places);
  forget(due);
}

void ReportDesk::make(const DueReport& due, const std::vector<ReportPlace>& places) {
  PendingReport pending;
  pending.domain = due.domain;
  pending.day = due.day;
  pending.report = kind_->report(due);
  pending.made = wall_now();
  if (pending.report.empty()) return forget(due);
  for (const ReportPlace& place : places) {
    pending.uri = place.uri;
    pending.octets_max = place.octets_max;
    if (Status kept = sender_.take(pending); !kept) return note(kept.error().text);  // again later
  }
  forget(due);
}

void ReportDesk::forget(const DueReport& due) {
  ask_again_.erase({due.day, due.domain});
  kind_->forget(due);
  changed_ = true;
}

}  // namespace postwain::reporter
