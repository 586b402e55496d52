// Has signatures made by threads. Who wants some has a queue of his own (TaskSource), of which the
// desk takes one after the other in turns: so nobody waits for all that somebody else has asked,
// and what is asked goes with who asked it. The same hash for the same key is signed once while it
// is under way; and RSA signatures, which are expensive and always the same, are kept.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/daemon/worker.h"
#include "common/ipc/signer_report.h"
#include "common/net/loop.h"
#include "common/tls/signing_key.h"
#include "signer/signature_cache.h"

namespace postwain::signer {

constexpr std::size_t kThreadsMax = 4;
// Ed25519 signatures of one job. An RSA signature, which takes much longer, is one by itself.
constexpr std::size_t kTasksOfJob = 16;

struct Task {
  HashOfKey what;
  // Once, from the desk's own code.
  std::function<void(const Result<std::string>& signature)> done;
};

class TaskSource {
 public:
  virtual ~TaskSource() = default;
  // Nothing: there is none now.
  virtual std::optional<Task> next_task() = 0;
};

class SigningDesk {
 public:
  SigningDesk(net::Loop& loop, std::vector<tls::SigningKey> keys, std::size_t threads);
  ~SigningDesk();
  SigningDesk(const SigningDesk&) = delete;
  SigningDesk& operator=(const SigningDesk&) = delete;

  // A source says with look() that it has tasks. It is removed before it goes, and not from within
  // a `done`; what was taken from it is still told.
  void add(TaskSource& source) { sources_.push_back(&source); }
  void remove(TaskSource& source);
  void look();

  // Since the last call.
  ipc::SignerReport take_counts();

 private:
  struct Made;
  using Batch = std::vector<HashOfKey>;
  using Waiting = std::vector<decltype(Task::done)>;

  void hand_out();
  Batch next_batch();
  std::optional<Task> next_task();
  // True: somebody has to sign it.
  bool is_new(Task task);
  void start(Batch batch);
  void finished(Made made);
  void settle(const HashOfKey& what, const Result<std::string>& signature);
  bool is_rsa(std::uint32_t key) const;

  net::Loop& loop_;
  // Shared with the threads, which only read it.
  std::shared_ptr<const std::vector<tls::SigningKey>> keys_;
  std::size_t jobs_max_;
  std::vector<TaskSource*> sources_;
  std::size_t turn_ = 0;  // whose it is
  std::size_t jobs_ = 0;  // that are under way
  std::map<HashOfKey, Waiting> under_way_;
  SignatureCache cache_;
  ipc::SignerReport counts_;
  daemon::Worker worker_;
};

}  // namespace postwain::signer
