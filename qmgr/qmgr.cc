#include "qmgr/qmgr.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/config/load/bundle.h"
#include "common/daemon/confinement.h"
#include "common/daemon/log_setup.h"
#include "common/log/log.h"

#include "qmgr/cluster/config_digest.h"

namespace postwain::qmgr {

namespace {

constexpr Duration kAgentsMissing = std::chrono::seconds(15);
constexpr Duration kBallastAgain = std::chrono::minutes(1);  // where it could not be made

DiskSpace disk_space(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) return {};
  DiskSpace space{std::uint64_t{info.f_bavail} * info.f_frsize,
                  std::uint64_t{info.f_blocks} * info.f_frsize, true};
  if (info.f_files > 0) space.free_names = std::uint64_t{info.f_favail};
  return space;
}

daemon::LocalUsers local_users(const config::Bundle& bundle) {
  auto found = bundle.files.find(daemon::kLocalUsersFile);
  return found == bundle.files.end() ? daemon::LocalUsers()
                                     : daemon::decode_local_users(found->second);
}

daemon::Groups viewers(const config::Bundle& bundle) {
  auto found = bundle.files.find(daemon::kViewersFile);
  return found == bundle.files.end() ? daemon::Groups() : daemon::decode_groups(found->second);
}

daemon::PeerUsers peer_users(const daemon::Start& start) {
  auto found = start.loaded.bundle.files.find(daemon::kPeerUsersFile);
  if (found == start.loaded.bundle.files.end()) return {};
  return daemon::decode_peer_users(found->second);
}

}  // namespace

Qmgr::Qmgr(net::Loop& loop, Spool spool, CpuPressure cpu_pressure, const daemon::Start& start)
    : loop_(loop),
      name_(start.name),
      config_(start.config()),
      tokens_(loop),
      reports_(reporter_board_),
      filters_(loop, ipc::Role::filter, filter_board_),
      signers_(loop, ipc::Role::signer, signer_board_),
      clock_(loop),
      watch_(loop),
      ending_(loop),
      ballast_(std::move(spool.ballast)),
      engine_(std::move(spool.engine)),
      agents_seen_at_(mono_now()) {
  store_ = std::make_unique<StoreWorker>(
      loop, std::move(engine_.store), spool.files,
      StoreWorker::Events{[this](StoreTrouble trouble) {
                            facts_.store = trouble;
                            look_at_ballast();
                            look_at_admission();
                          },
                          [this](const StoreError& error) { broken(error); },
                          [this](std::chrono::microseconds took) {
                            if (queue_) queue_->metrics().commit.observe(took);
                            look_at_room();
                          }});
  queue_ = std::make_unique<Queue>(
      loop, clock_, *store_, std::move(spool.files), std::move(spool.observed), config_,
      QueueHooks{
          [this] {
            if (delivery_) delivery_->schedule();
          },
          [this](const StoreError& error) { broken(error); },
          [this](const mail::Address& to, const mail::Outcome& outcome) {
            if (probes_) probes_->record(to, outcome);
          },
          [this] {
            if (delivery_) delivery_->left_known();
          },
          [this](mail::QueueId id, std::uint32_t index, const mail::Outcome& outcome) {
            if (late_told_) late_told_->tell(id, index, outcome);
          },
      });
  delivery_ = std::make_unique<Delivery>(loop, *queue_, tokens_);
  probes_ = std::make_unique<Probes>(loop, *queue_, *delivery_, config_);
  intake_ = std::make_unique<Intake>(*queue_, *probes_, config_, local_users(start.loaded.bundle));
  if (engine_.begin_beats) begin_node();
  if (nodes_) nodes_->set_config(config_digest(start.loaded));
  filter_board_.configure(config_);
  signer_board_.configure(config_.signs_mail());
  reporter_board_.configure(config_.tls_reports.wanted, config_.dmarc_reports.wanted);
  control_ = std::make_unique<Control>(
      *queue_, *delivery_,
      Control::Hooks{[this](std::string_view bundle) { return take_config(bundle); },
                     [this] { return admission_; }, [this] { return standstill_; }, &filter_board_,
                     &signer_board_, &reporter_board_, nodes_.get(), requests_.get(), &loop_,
                     tellings_.get()});
  asker_ = std::make_unique<FilterAsker>(
      loop, clock_, queue_->content(), queue_->config(), [this] { return queue_->next_id(); },
      [this] { queue_->judging().filters_up(); });
  queue_->judging().set_port(asker_.get());
  look_at_filters();
  queue_->watch(std::move(cpu_pressure));
  peers_ = std::make_unique<Peers>(loop, peer_users(start),
                                   Peers::Services{.intake = *intake_,
                                                   .delivery = *delivery_,
                                                   .control = *control_,
                                                   .metrics = control_->metrics(),
                                                   .tokens = tokens_,
                                                   .results = reports_,
                                                   .filters = filters_,
                                                   .signers = signers_});
  peers_->set_viewers(viewers(start.loaded.bundle));
  if (nodes_) peers_->set_worker_range(engine_.self.node);
  facts_.in_database = engine_.in_database;
  look_around();
  watch_.repeat(kDiskCheck, [this] { look_around(); });
  queue_->recover();
  probes_->recover();
}

// The asker reads contents of the queue, and so goes before it.
Qmgr::~Qmgr() {
  queue_->recorder().history().set_listener(nullptr);
  queue_->judging().stop();
  queue_->judging().set_port(nullptr);
}

::postwain::Status Qmgr::listen() {
  Result<int> fd = net::bind_listener({{}, 0, config_.qmgr_socket()});
  if (!fd) return fd.error();
  listener_ = std::make_unique<net::Listener>(
      loop_, *fd, [this](net::Stream stream) { peers_->add(std::move(stream)); },
      net::Carries::descriptors);
  listener_->watch_trouble(
      [this](const ::postwain::Status& status) { accept_trouble_.note(status); });
  return {};
}

void Qmgr::begin_node() {
  queue_->inherit(engine_.inherited);
  queue_->set_worker_range(engine_.self.node);
  delivery_->name_attempts_first();
  keeper_ = engine_.begin_keeper(loop_);
  requests_ =
      std::make_unique<Requests>(loop_, *keeper_, engine_.self.node,
                                 [this](std::uint8_t node) { return nodes_->name_of(node); });
  places_ = std::make_unique<SharedPlaces>(*keeper_, delivery_->connection_leaves(), engine_.self);
  accounts_ = std::make_unique<SharedAccounts>(*keeper_, intake_->account_limits());
  paces_ = std::make_unique<SharedPaces>(loop_, *keeper_, engine_.self,
                                         [this] { delivery_->rates_changed(); });
  delivery_->share_rates(paces_.get());
  breakers_ = std::make_unique<SharedBreakers>(clock_, *keeper_, queue_->breakers());
  queue_->breakers().share(*breakers_);
  begin_telling();
  nodes_ = std::make_unique<Nodes>(
      loop_, *queue_, engine_.begin_beats(loop_), engine_.self, engine_.own_bags,
      config_.queue.store.node,
      Nodes::Hooks{
          [this](const ipc::Word& word) { delivery_->say_word(word); },
          [this](std::uint64_t open, std::uint64_t owned) { intake_->set_open_bags(open, owned); },
          [this] {
            if (nodes_) look_at_admission();
          },
          [this](const StoreError& error) { broken(error); },
          [this] { queue_->suspensions().look_again(); },
          [this](BeatOrder& order) { places_->fill_in(order); },
          [this](const BeatAnswer& answer) { beat_answered(answer); },
          [this](ClusterView& view) {
            view.database = name_of(config_.queue.store);
            places_->describe(view);
            view.history_dropped = told_->dropped();
          }});
  late_told_ = std::make_unique<LateTold>(loop_, *queue_, *nodes_, *requests_);
  delivery_->on_elsewhere(
      [this](mail::QueueId id, std::uint32_t index, const mail::Outcome& outcome) {
        late_told_->tell(id, index, outcome);
      });
}

// What others know of breakers is for a queue that has read its own.
void Qmgr::beat_answered(const BeatAnswer& answer) {
  places_->beat_answered(answer);
  paces_->beat_answered(answer);
  accounts_->beat_answered(answer);
  requests_->seen(answer.requests);
  if (queue_->start().complete()) breakers_->beat(answer.facts.breakers);
}

void Qmgr::begin_telling() {
  const std::string& name = config_.queue.store.node;
  told_ = std::make_unique<BlockWriter>(loop_, *keeper_, name, config_.queue.history);
  tellings_ = std::make_unique<BlockReader>(*keeper_, name);
  queue_->recorder().set_node(name);
  queue_->recorder().history().set_listener(
      [this](std::string_view records) { told_->add(records); });
}

// The last of the history is told before this node leaves, unless that takes long.
bool Qmgr::has_told() {
  constexpr Duration kTellMax = std::chrono::seconds(1);
  if (!told_) return true;
  if (tell_until_ != MonoTime{}) return mono_now() >= tell_until_;
  tell_until_ = mono_now() + kTellMax;
  queue_->recorder().history().flush(
      [this] { told_->flush([this] { tell_until_ = mono_now(); }); });
  return false;
}

// Where no filter is asked about mail of this machine there is no link.
void Qmgr::look_at_filters() {
  if (asker_->is_needed())
    filters_.link_own([this](UniqueFd end) { asker_->adopt(std::move(end)); });
  else
    filters_.link_own(nullptr);
}

void Qmgr::look_around() {
  look_at_log();
  look_at_admission();
  look_at_ballast();
  queue_->totals().look_for_oldest();
  if (draining_ || !queue_->clock_watch().look(wall_now(), mono_now())) return;
  // What is planned in memory is planned by the old clock. What is on the disk is put right at the
  // start (bring_due_times_near), so starting again is the simplest cure.
  exit_code_ = kExitTempFail;
  drain();
}

// Its blocks are asked for again and again: whoever shortens the log gives them back, and a start
// on a full disk has none. Then the ballast makes room for them.
void Qmgr::look_at_log() {
  facts_.log_reserved = true;
  if (facts_.in_database) return;
  std::uint64_t size = log_reserve(disk_space(queue_->content().files().path()).total_bytes);
  ::postwain::Status reserved = reserve_blocks(engine_.log, size);
  if (!reserved && reserved.error().code == ENOSPC && ballast_.there()) {
    ::postwain::Status released = ballast_.release();
    log::Line line(log::Level::warning, "ballast_released");
    line.kv("for", "outcomes");
    if (!released) line.kv("error", released.error().text);
    reserved = reserve_blocks(engine_.log, size);
  }
  facts_.log_reserved = reserved.ok();
}

// A state in which nothing is tried is never silent.
void Qmgr::look_at_standstill() {
  std::string why = draining_ ? std::string() : standstill(facts_);
  if (why.empty() && !draining_) why = without_agent();
  if (why == standstill_) return;
  bool was = !standstill_.empty();
  standstill_ = std::move(why);
  if (!standstill_.empty() && !was)
    log::Line(is_as_meant(facts_) ? log::Level::info : log::Level::error, "deliveries_stopped")
        .kv("reason", standstill_);
  if (standstill_.empty()) log::Line(log::Level::info, "deliveries_resumed");
}

// Restarts take their time: only an absence that lasts is one.
std::string Qmgr::without_agent() {
  for (Pool pool : {Pool::smtp, Pool::lmtp}) {
    if (!queue_->scheduler().has_queued(pool) || delivery_->agents(pool) > 0) continue;
    if (mono_now() - agents_seen_at_ < kAgentsMissing) return {};
    if (!accept_trouble_.text().empty()) return accept_trouble_.text();
    return fmt::format(
        "no {} is connected although mail waits for one: the log says why it ends "
        "(child_exit), and [workers] whether there is to be one",
        pool == Pool::smtp ? "smtp-client" : "lmtp-client");
  }
  agents_seen_at_ = mono_now();
  return {};
}

// Given up when the disk is full, and made again when there is room for it and for new mail.
void Qmgr::look_at_ballast() {
  if (ballast_wanted_ || facts_.in_database) return;
  if (facts_.store == StoreTrouble::full && ballast_.there()) {
    ::postwain::Status released = ballast_.release();
    log::Line line(log::Level::warning, "ballast_released");
    if (!released) line.kv("error", released.error().text);
    return queue_->store().retry_soon();
  }
  std::uint64_t size = Ballast::size_for(facts_.disk.total_bytes);
  if (ballast_.there() || !room_for_ballast(facts_, size)) return;
  if (mono_now() < ballast_again_) return;
  ballast_wanted_ = true;
  queue_->content().worker().run([this, ballast = ballast_, size]() -> ContentWorker::Completion {
    ::postwain::Status made = ballast.make(size);
    return [this, made, size] {
      ballast_wanted_ = false;
      if (!made) ballast_again_ = mono_now() + kBallastAgain;
      log::Line line(made ? log::Level::debug : log::Level::warning,
                     made ? "ballast_made" : "no_ballast");
      line.kv("bytes", size);
      if (!made) line.kv("error", made.error().text);
    };
  });
}

// A disk that is written fast may be full before it is looked at again.
void Qmgr::look_at_room() {
  if (!queue_ || facts_.in_database || !admission_.accepting) return;
  AdmissionFacts now = facts_;
  now.disk = disk_space(queue_->content().files().path());
  if (!decide_admission(now).accepting) look_at_admission();
}

void Qmgr::look_at_admission() {
  facts_.disk = disk_space(queue_->content().files().path());
  facts_.message_size = config_.limits.message_size;
  facts_.wal_bytes = queue_->store().wal_bytes();
  facts_.stopping = draining_;
  if (nodes_) facts_.cluster = nodes_->trouble();
  facts_.cluster_as_meant = nodes_ && nodes_->lacks_bags_only();
  admission_ = decide_admission(facts_);
  intake_->set_admission(admission_, why_not_accepting(facts_), is_as_meant(facts_));
  facts_.unrecorded = queue_->store().unrecorded();
  queue_->recorder().set_commits_wait(facts_.store != StoreTrouble::none);
  delivery_->pause(!may_deliver(facts_));
  look_at_standstill();
  queue_->recorder().history().set_no_space(facts_.store == StoreTrouble::full &&
                                            !facts_.in_database);
}

Result<bool> Qmgr::take_config(std::string_view bytes) {
  Result<config::Bundle> bundle = config::decode_bundle(bytes);
  if (!bundle) return bundle.error();
  daemon::LocalUsers users = local_users(*bundle);
  daemon::Groups may_look = viewers(*bundle);
  config::Loaded loaded = config::parse(bundle.take());
  if (!loaded.diagnostics.empty()) return Error{loaded.diagnostics.front().text(), kExitConfig};
  config_ = loaded.config;
  if (nodes_) nodes_->set_config(config_digest(loaded));
  if (engine_.secret) engine_.secret->set(config_.queue.store.password);
  daemon::setup_log(name_, config_.log);
  queue_->configure(config_);
  if (told_) told_->configure(config_.queue.history);
  filter_board_.configure(config_);
  signer_board_.configure(config_.signs_mail());
  reporter_board_.configure(config_.tls_reports.wanted, config_.dmarc_reports.wanted);
  intake_->configure(config_, std::move(users));
  peers_->set_viewers(std::move(may_look));
  probes_->configure(config_);
  look_at_filters();
  look_at_admission();
  log::Line(log::Level::info, "reloaded").kv("routes", config_.routes.size());
  return true;
}

// Nothing that was not committed may be believed, nor anything committed be doubted: whoever waits
// has got a refusal; what happens next is decided by what is on the disk at the next start.
void Qmgr::broken(const StoreError& error) {
  // A database may be mended, or restored, under our hands; a file of ours may not.
  int code = engine_.in_database ? kExitTempFail : exit_code_of(error);
  log::Line(log::Level::error, "stopping").kv("reason", error.text).kv("exit", code);
  listener_.reset();
  delivery_->pause(true);
  draining_ = true;
  look_at_admission();
  constexpr Duration kTimeForReplies = std::chrono::milliseconds(100);
  ending_.start(kTimeForReplies, [code] {
    log::flush();
    ::_exit(code);
  });
}

void Qmgr::drain() {
  if (draining_) return;
  draining_ = true;
  log::Line(log::Level::info, "draining").kv("leases", delivery_->leases());
  look_at_admission();
  drain_until_ = mono_now() + kDrainMax;
  if (engine_.ending) engine_.ending->set(drain_until_);
  try_to_end();
}

void Qmgr::try_to_end() {
  constexpr Duration kLookAgain = std::chrono::milliseconds(20);
  const bool busy =
      delivery_->leases() > 0 || queue_->store().waiting() > 0 || (places_ && places_->are_used());
  if ((busy && mono_now() < drain_until_) || !has_told()) {
    ending_.start(kLookAgain, [this] { try_to_end(); });
    return;
  }
  listener_.reset();
  watch_.stop();
  if (nodes_) nodes_->stop();
  ::unlink(config_.qmgr_socket().c_str());
  if (facts_.disk.free_names && *facts_.disk.free_names < kNamesKept)
    queue_->store().keep_log_file();
  queue_->finish();
  peers_.reset();  // what they are still to hear leaves now
  loop_.stop();
}

int run(daemon::Start& start) {
  CpuPressure cpu_pressure = CpuPressure::of_first_thread();
  // From here on there is the spool, and nothing else.
  daemon::Confinement confinement("qmgr", start.config());
  confinement.give_up_files();

  // The database with its lock, before anybody can talk to us; a second instance ends here.
  Result<Spool> spool = open_spool(start.config());
  if (!spool) {
    log::Line(log::Level::error, "cannot_start").kv("reason", spool.error().text);
    log::flush();
    return spool.error().code;
  }

  // The parts; due work is found by index, not by a scan.
  net::Loop loop;
  int exit_code = kExitOk;
  {
    Qmgr manager(loop, spool.take(), std::move(cpu_pressure), start);
    daemon::Signals signals(loop, [&] { manager.drain(); });
    if (::postwain::Status listening = manager.listen(); !listening) {
      log::Line(log::Level::error, "cannot_start").kv("reason", listening.error().text);
      log::flush();
      return kExitCantCreate;
    }
    daemon::announce_ready(start);
    confinement.give_up_calls();
    loop.run();
    exit_code = manager.exit_code();
  }
  log::Line(log::Level::info, "stopped").kv("exit", exit_code);
  log::flush();
  return exit_code;
}

}  // namespace postwain::qmgr
