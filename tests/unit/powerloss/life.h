// One life of the queue on a disk in memory: the real store, store thread and content files, from
// start to stop, cut or failure. It hands over requests as the intake and the queue do, and keeps
// the ledger.
//
// Requests of one round go into one group commit: they are handed over while the store's thread is
// kept busy, so a run is the same for the same seed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/net/loop.h"

#include "qmgr/store/sqlite/sqlite_store.h"
#include "qmgr/store/writing/store_worker.h"
#include "tests/simdisk/disk.h"
#include "tests/simdisk/files.h"
#include "tests/simdisk/sqlite_vfs.h"
#include "tests/unit/powerloss/ledger.h"

namespace postwain::powerloss {

// Deliberate mistakes; each must be noticed.
enum class Sin : std::uint8_t {
  none,
  normal_sync,      // PRAGMA synchronous = NORMAL
  early_promise,    // 250 before the commit
  bounce_apart,     // the failed row in one commit, its bounce in the next
  no_file_sync,     // content file not synced
  no_folder_sync,   // its name not synced
  file_before_row,  // content file removed before the commit that removes its message
};

constexpr const char* kSpool = "/spool";
simdisk::Image empty_spool();

class Life {
 public:
  Life(simdisk::Disk& disk, Ledger& ledger, Sin sin);
  ~Life();

  bool start();  // as qmgr starts; false: it would end with an error
  bool broken() const { return broken_; }
  bool full() const { return full_; }

  // Content goes into its file at once; false: refused, as the intake would.
  bool store_file(std::uint64_t id, const std::string& content);
  void abandon_file(std::uint64_t id, const std::string& content);

  // Requests, batched until commit() hands all of them over and awaits every answer.
  // parts: of the same submission, with reverse-paths of their own.
  void accept(qmgr::NewMessage message, std::vector<qmgr::NewMessage> parts = {});
  bool share_file(std::uint64_t id, std::uint64_t other);
  void settle(std::string what, qmgr::Settlement settlement, Ledger::Changes changes);
  void write_breaker(const std::string& destination);
  void commit();
  void checkpoint(bool wholly);
  void vacuum();

  void stop();    // in good order
  void vanish();  // the process is gone: nothing more reaches the disk

  std::size_t accepted() const { return accepted_; }
  std::size_t refused() const { return refused_; }
  const std::string& trouble() const { return trouble_; }

 private:
  void submit_accept(qmgr::NewMessage message, std::vector<qmgr::NewMessage> parts,
                     std::size_t request);
  void submit_settle(std::string what, qmgr::Settlement settlement, Ledger::Changes changes);
  void answered();
  void await();
  void on_store(std::function<void(qmgr::QueueStore&)> work);

  simdisk::Disk& disk_;
  Ledger& ledger_;
  Sin sin_;
  simdisk::SqliteVfs vfs_;
  simdisk::Files files_;
  qmgr::ContentFolder folder_;
  net::Loop loop_;
  std::unique_ptr<qmgr::StoreWorker> thread_;
  std::vector<std::function<void()>> gathered_;
  std::vector<std::function<void()>> second_;  // what a sin puts off to the next commit
  std::size_t pending_ = 0;
  std::size_t accepted_ = 0;
  std::size_t refused_ = 0;
  bool broken_ = false;
  bool full_ = false;
  std::string trouble_;
};

// Starts on what a cut has left, as qmgr does, and judges it; empty: all is well.
std::string judge(const simdisk::Image& image, const Ledger& ledger, std::size_t position,
                  Found* found = nullptr);

}  // namespace postwain::powerloss
