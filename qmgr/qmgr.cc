#include "qmgr/qmgr.h"

#include <cerrno>
#include <cstdlib>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/config/bundle.h"
#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

DiskSpace disk_space(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) return {};
  return {std::uint64_t{info.f_bavail} * info.f_frsize,
          std::uint64_t{info.f_blocks} * info.f_frsize, true};
}

// The database refuses symbolic links in its path; resolving it here lets the folder be one.
Result<std::string> real_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return system_error(path, errno);
  std::string out = resolved;
  std::free(resolved);
  return out;
}

int exit_code_of(const Error& error) {
  switch (trouble_of(error)) {
    case DbTrouble::damaged:
      return kExitDataError;
    case DbTrouble::full:
    case DbTrouble::busy:
    case DbTrouble::broken:
      return kExitTempFail;
  }
  return kExitTempFail;
}

}  // namespace

Result<Spool> open_spool(const config::Config& config) {
  if (::mkdir(config.spool_dir.c_str(), 0700) != 0 && errno != EEXIST)
    return Error{system_error(config.spool_dir, errno).text, kExitCantCreate};
  Result<std::string> folder = real_path(config.spool_dir);
  if (!folder) return Error{folder.error().text, kExitNoInput};
  Result<Store> store = Store::open(*folder + "/queue.db");
  if (!store) {
    if (trouble_of(store.error()) == DbTrouble::busy)
      return Error{config.spool_dir + ": another qmgr works with this spool", kExitTempFail};
    return Error{store.error().text, exit_code_of(store.error())};
  }
  ContentFolder files(*folder + "/content");
  if (::postwain::Status s = files.create(); !s) return Error{s.error().text, kExitCantCreate};
  Result<std::size_t> swept = files.sweep([&](mail::QueueId id) { return store->has_message(id); });
  if (!swept) return Error{swept.error().text, kExitIoError};
  if (*swept > 0) log::Line(log::Level::info, "orphans_removed").kv("files", *swept);
  return Spool{store.take(), std::move(files)};
}

Qmgr::Qmgr(net::Loop& loop, Spool spool, const config::Config& config)
    : loop_(loop), config_(config), watch_(loop), ending_(loop) {
  queue_ = std::make_unique<Queue>(loop, std::move(spool.store), std::move(spool.files), config,
                                   Queue::Hooks{
                                       [this] {
                                         if (delivery_) delivery_->schedule();
                                       },
                                       [this](bool full) {
                                         facts_.store_full = full;
                                         delivery_->pause(full || draining_);
                                         look_at_admission();
                                       },
                                       [this](const Error& error) { broken(error); },
                                   });
  delivery_ = std::make_unique<Delivery>(loop, *queue_);
  intake_ = std::make_unique<Intake>(*queue_);
  control_ = std::make_unique<Control>(
      *queue_, *delivery_,
      Control::Hooks{[this](std::string_view bundle) { return take_config(bundle); },
                     [this] { return admission_; }});
  peers_ = std::make_unique<Peers>(loop, config.users.network, *intake_, *delivery_, *control_);
  look_at_admission();
  watch_.repeat(kDiskCheck, [this] { look_at_admission(); });
  queue_->recover();
}

Qmgr::~Qmgr() = default;

::postwain::Status Qmgr::listen() {
  Result<int> fd = net::bind_listener({{}, 0, config_.qmgr_socket()}, 0666);
  if (!fd) return fd.error();
  listener_ = std::make_unique<net::Listener>(
      loop_, *fd, [this](net::Stream stream) { peers_->add(std::move(stream)); });
  return {};
}

void Qmgr::look_at_admission() {
  facts_.disk = disk_space(queue_->files().path());
  facts_.message_size = config_.limits.message_size;
  facts_.wal_bytes = queue_->store().wal_bytes();
  facts_.stopping = draining_;
  admission_ = decide_admission(facts_);
  intake_->set_admission(admission_);
}

Result<bool> Qmgr::take_config(std::string_view bytes) {
  Result<config::Bundle> bundle = config::decode_bundle(bytes);
  if (!bundle) return bundle.error();
  config::Loaded loaded = config::parse(bundle.take());
  if (!loaded.diagnostics.empty()) return Error{loaded.diagnostics.front().text(), kExitConfig};
  config_ = loaded.config;
  queue_->configure(config_);
  look_at_admission();
  log::Line(log::Level::info, "reloaded");
  return true;
}

// Nothing that was not committed may be believed, nor anything committed be doubted: whoever waits
// has got a refusal; what happens next is decided by what is on the disk at the next start.
void Qmgr::broken(const Error& error) {
  int code = exit_code_of(error);
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
  log::Line(log::Level::info, "draining");
  delivery_->pause(true);
  look_at_admission();
  drain_until_ = mono_now() + kDrainMax;
  try_to_end();
}

void Qmgr::try_to_end() {
  constexpr Duration kLookAgain = std::chrono::milliseconds(20);
  bool busy = delivery_->leases() > 0 || queue_->store().waiting() > 0;
  if (busy && mono_now() < drain_until_) {
    ending_.start(kLookAgain, [this] { try_to_end(); });
    return;
  }
  listener_.reset();
  watch_.stop();
  ::unlink(config_.qmgr_socket().c_str());
  queue_->finish();
  peers_.reset();  // what they are still to hear leaves now
  loop_.stop();
}

}  // namespace postwain::qmgr
