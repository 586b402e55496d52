// filter: judges mail for every smtpd and for qmgr. It looks at strangers and at the
// authentication of their mail, asks the outside filters of the configuration (milters, policy
// services, Rspamd), and applies its content rules. Started where one of these is configured.
//
// What it may touch: the filters' sockets, the DNS, qmgr's socket in a role that gives it the
// way to each smtpd, one file without a name, and two that tell which strangers were seen. It knows
// no keys, no users and no queue.
#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/dns/resolver.h"
#include "common/exercise/exercises.h"
#include "common/log/log.h"
#include "common/net/loop_clock.h"
#include "filter/authentication/authentication_judge.h"
#include "filter/content_rules/content_rule_judge.h"
#include "filter/filter_process.h"
#include "filter/strangers/strangers_judge.h"
#include "filter/trial/trial.h"

namespace postwain::filter {

namespace {

constexpr const char* kScratchFolder = "/var/tmp";

std::vector<ListenerName> listeners_of(const config::Config& config) {
  std::vector<ListenerName> out;
  for (const config::Listener& listener : config.listeners) {
    bool submission = listener.protocol == config::ListenerProtocol::submission;
    out.push_back(
        {listener.name(), submission ? ipc::FilterKind::submission : ipc::FilterKind::world});
  }
  // What qmgr plays the sessions of.
  for (ipc::FilterKind kind : {ipc::FilterKind::local, ipc::FilterKind::notices})
    out.push_back({std::string(name_of(kind)), kind});
  return out;
}

// Without it large bodies reach the first filter only, and cannot be replaced.
ScratchFile open_scratch_file() {
  ScratchFile file;
  if (Status opened = file.open(kScratchFolder); !opened)
    log::Line(log::Level::warning, "no_scratch_file").kv("reason", opened.error().text);
  return file;
}

// Where who was seen is not kept, a restart costs a delay.
SeenFiles open_seen_files(const std::string& folder) {
  SeenFiles files;
  if (Status opened = files.open(folder); !opened)
    log::Line(log::Level::warning, "seen_not_saved").kv("reason", opened.error().text);
  return files;
}

std::unique_ptr<StrangersJudge> strangers_judge(Clock& clock, dns::Resolver& resolver,
                                                const config::Config& config) {
  if (!config.strangers.wanted) return nullptr;
  return std::make_unique<StrangersJudge>(clock, list_port(resolver), config.strangers,
                                          config.hostname,
                                          open_seen_files(config.strangers.folder));
}

std::unique_ptr<Judge> authentication_judge(Clock& clock, dns::Resolver& resolver,
                                            const config::Config& config, DmarcNotes* notes) {
  if (!config.authentication.wanted) return nullptr;
  return std::make_unique<AuthenticationJudge>(clock, dns_port(resolver), config.authentication,
                                               config.hostname, rewrite::OwnDomains(config), notes);
}

}  // namespace

// The chain of the configuration without what would be remembered.
int try_out(Setup& setup, const config::Config& config, dns::Resolver& resolver, net::Loop& loop,
            Clock& clock) {
  Result<std::string> request = read_small_fd(kTrialRequest, kTrialMax);
  if (!request) return kExitIoError;
  Shared shared{loop, clock};
  if (auto authentication = authentication_judge(clock, resolver, config, nullptr))
    shared.judges.push_back(std::move(authentication));
  for (auto& judge : judges_of(std::move(setup.filters), std::move(setup.content_rules)))
    shared.judges.push_back(std::move(judge));
  shared.listeners = std::move(setup.listeners);
  shared.room.file = std::move(setup.scratch);
  shared.lookup = std::move(setup.lookup);
  daemon::Confinement confinement("filter", config);
  confinement.give_up_files();
  confinement.give_up_calls();
  std::unique_ptr<ListPort> dns = list_port(resolver);
  return run_trial(shared, config, *dns, *request);
}

// trial: `postwain filter` has started this process, not the supervisor.
int run(daemon::Start& start, bool trial) {
  net::Loop loop;
  net::LoopClock clock(loop);
  const config::Config& config = start.config();
  // The resolver before anything else of the network: it seeds its query ids now.
  auto resolver = dns::Resolver::create(loop, config.dns.servers, config.dns.trust_ad);
  if (!resolver) {
    log::Line(log::Level::error, "cannot_start").kv("reason", resolver.error().text);
    return kExitConfig;
  }
  Result<std::vector<CompiledRule>> rules = compile_rules(config.content_rules);
  if (!rules) {
    log::Line(log::Level::error, "cannot_start").kv("reason", rules.error().text);
    return kExitConfig;
  }
  Setup setup{.name = start.name,
              .qmgr_socket = config.qmgr_socket(),
              .filters = config.filters,
              .content_rules = rules.take(),
              .listeners = listeners_of(config),
              .on_ready = [&start] { daemon::announce_ready(start); },
              .scratch = open_scratch_file(),
              .lookup =
                  [&resolver](const std::string& host, auto done) {
                    (*resolver)->lookup_host(
                        host, [done](const dns::AddressAnswer& answer) { done(answer.addresses); });
                  }};
  if (trial) return try_out(setup, config, **resolver, loop, clock);
  auto own = strangers_judge(clock, **resolver, config);
  StrangersJudge* strangers = own.get();
  DmarcNotes noted(config.dmarc_reports.from);
  DmarcNotes* notes = config.dmarc_reports.wanted ? &noted : nullptr;
  setup.dmarc_notes = notes;
  if (own) setup.own_checks.push_back(std::move(own));
  if (auto authentication = authentication_judge(clock, **resolver, config, notes))
    setup.own_checks.push_back(std::move(authentication));
  daemon::Confinement confinement("filter", config);
  confinement.give_up_files();
  FilterProcess process(loop, clock, std::move(setup));
  if (strangers != nullptr) strangers->start();
  daemon::Signals signals(loop, [&] {
    process.drain([&] {
      if (strangers != nullptr) strangers->save();
      loop.stop();
    });
  });
  confinement.give_up_calls();
  loop.run();
  return kExitOk;
}

}  // namespace postwain::filter

int main(int argc, char** argv) {
  bool trial = argc > 1 && std::string_view(argv[1]) == "trial";
  if (trial) {
    --argc;
    ++argv;
  }
  postwain::daemon::Start start = postwain::daemon::begin(
      "filter", argc, argv,
      {postwain::exercise::loop(), postwain::exercise::threads(), postwain::exercise::dns()});
  int code = postwain::filter::run(start, trial);
  postwain::log::flush();
  return code;
}
