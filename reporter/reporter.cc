#include "reporter/reporter.h"

#include <utility>

#include "common/config/config.h"
#include "reporter/dmarc/dmarc_reports.h"
#include "reporter/tls/tls_reports.h"

namespace postwain::reporter {

namespace {

template <class Settings>
DeskSetup desk_setup(const Settings& settings, const config::Config& config) {
  DeskSetup out;
  out.submitter = {settings.organization, settings.contact, settings.from,
                   settings.from.substr(settings.from.rfind('@') + 1), config.hostname};
  out.folder = settings.folder;
  out.spread = settings.spread;
  return out;
}

template <class Kind>
std::unique_ptr<ReportKind> make_kind(dns::Resolver& resolver, const Submitter& submitter) {
  return std::make_unique<Kind>(resolver, submitter);
}

}  // namespace

Reporter::Reporter(net::Loop& loop, const config::Config& config, dns::Resolver& resolver,
                   std::unique_ptr<http::Fetcher> fetcher, Setup setup)
    : loop_(loop),
      fetcher_(std::move(fetcher)),
      setup_(std::move(setup)),
      timer_(loop),
      link_(loop, config.qmgr_socket(), ipc::Role::reporter, setup_.name,
            daemon::QmgrLink::Callbacks{
                .on_up = [this](const ipc::Welcome& welcome) { qmgr_up(welcome); },
                .on_down = [this](const std::string&) { qmgr_down(); },
                .on_frame = [this](ipc::FrameType type,
                                   std::string_view payload) { return frame(type, payload); },
                .on_drained = {},
            }) {
  ReportDesk::Parts parts{loop_, config, resolver, *fetcher_};
  if (config.tls_reports.wanted) {
    DeskSetup tls = desk_setup(config.tls_reports, config);
    tls.signer = std::move(setup_.signer);
    desks_.push_back(std::make_unique<ReportDesk>(parts, std::move(tls), make_kind<TlsReports>));
  }
  if (config.dmarc_reports.wanted)
    desks_.push_back(std::make_unique<ReportDesk>(parts, desk_setup(config.dmarc_reports, config),
                                                  make_kind<DmarcReports>));
  begin();
  timer_.repeat(kLookEvery, [this] { look(); });
}

Reporter::~Reporter() = default;

void Reporter::qmgr_up(const ipc::Welcome& welcome) {
  ids_.emplace(welcome.worker);
  told_ = {};
  for (const auto& desk : desks_) desk->sender().qmgr_up(link_, *ids_);
  setup_.on_ready();
}

void Reporter::qmgr_down() {
  for (const auto& desk : desks_) desk->sender().qmgr_down();
  if (on_drained_) end();
}

bool Reporter::frame(ipc::FrameType type, std::string_view payload) {
  ipc::SubmitResult result;
  ipc::ChunksStored stored;
  bool is_result = type == ipc::FrameType::submit_result;
  bool is_stored = type == ipc::FrameType::chunks_stored;
  if (is_result && !ipc::decode(payload, result)) return false;
  if (is_stored && !ipc::decode(payload, stored)) return false;
  for (const auto& desk : desks_) {
    if (is_result) desk->sender().submitted(result);
    if (is_stored) desk->sender().stored(stored);
    if (!desk->frame(type, payload)) return false;
  }
  return true;
}

// Whether each desk has its folder.
bool Reporter::begin() {
  bool all = true;
  for (const auto& desk : desks_) all = desk->begin() && all;
  return all;
}

void Reporter::look() {
  for (const auto& desk : desks_)
    if (desk->begin()) desk->look();
  report();
}

// For the metrics. While qmgr is away the counts wait for it.
void Reporter::report() {
  if (!link_.up()) return;
  ipc::ReporterReport out;
  bool news = false;
  for (const auto& desk : desks_) {
    auto place = static_cast<std::size_t>(desk->topic());
    out.topics[place] = desk->take_counts();
    news = news || out.topics[place].has_news_since(told_.topics[place]);
  }
  if (!news) return;
  link_.send(out);
  told_ = out;
}

void Reporter::drain(std::function<void()> done) {
  on_drained_ = std::move(done);
  drain_until_ = loop_.now() + kLastWords + kFolderTimeout;
  if (!link_.up()) return end();
  timer_.start(kLastWords, [this] { end(); });
}

void Reporter::end() {
  constexpr Duration kAgain = std::chrono::milliseconds(20);
  // A stop right behind a reload: what we have counted goes to what the one before us has.
  if (!begin() && loop_.now() < drain_until_) return timer_.start(kAgain, [this] { end(); });
  for (const auto& desk : desks_) desk->save();
  report();
  if (auto done = std::exchange(on_drained_, nullptr)) done();
}

}  // namespace postwain::reporter
