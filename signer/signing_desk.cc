#include "signer/signing_desk.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/base/check.h"

namespace postwain::signer {

struct SigningDesk::Made {
  struct One {
    HashOfKey what;
    Result<std::string> signature;
  };
  std::vector<One> all;
  std::chrono::microseconds took{};
};

SigningDesk::SigningDesk(net::Loop& loop, std::vector<tls::SigningKey> keys, std::size_t threads)
    : loop_(loop),
      keys_(std::make_shared<const std::vector<tls::SigningKey>>(std::move(keys))),
      // One to do for each thread, and one that lies ready.
      jobs_max_(2 * threads),
      worker_(loop, jobs_max_, threads) {}

SigningDesk::~SigningDesk() {
  loop_.forget_turn_end(this);
}

void SigningDesk::remove(TaskSource& source) {
  std::erase(sources_, &source);
}

void SigningDesk::look() {
  loop_.at_turn_end(this, [this] { hand_out(); });
}

void SigningDesk::hand_out() {
  while (jobs_ < jobs_max_) {
    Batch batch = next_batch();
    if (batch.empty()) return;
    start(std::move(batch));
  }
}

SigningDesk::Batch SigningDesk::next_batch() {
  Batch batch;
  while (batch.size() < kTasksOfJob) {
    std::optional<Task> task = next_task();
    if (!task) break;
    HashOfKey what = task->what;
    if (!is_new(std::move(*task))) continue;
    bool alone = is_rsa(what.first);
    batch.push_back(std::move(what));
    if (alone) break;
  }
  return batch;
}

std::optional<Task> SigningDesk::next_task() {
  for (std::size_t looked = 0; looked < sources_.size(); ++looked) {
    turn_ = (turn_ + 1) % sources_.size();
    if (auto task = sources_[turn_]->next_task()) return task;
  }
  return std::nullopt;
}

bool SigningDesk::is_new(Task task) {
  if (const std::string* kept = cache_.find(task.what)) {
    ++counts_.cached;
    task.done(*kept);
    return false;
  }
  Waiting& waiting = under_way_[task.what];
  waiting.push_back(std::move(task.done));
  if (waiting.size() > 1) ++counts_.cached;
  return waiting.size() == 1;
}

void SigningDesk::start(Batch batch) {
  ++jobs_;
  bool taken = worker_.run([this, keys = keys_, batch = std::move(batch)]() mutable {
    auto made = std::make_shared<Made>();
    auto since = std::chrono::steady_clock::now();
    for (HashOfKey& what : batch) {
      Result<std::string> signature = (*keys)[what.first].sign_digest(what.second);
      made->all.push_back({std::move(what), std::move(signature)});
    }
    made->took = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - since);
    return daemon::Worker::Completion([this, made] { finished(std::move(*made)); });
  });
  PW_CHECK(taken);  // there are never more jobs than it takes
}

void SigningDesk::finished(Made made) {
  --jobs_;
  counts_.microseconds += static_cast<std::uint64_t>(made.took.count());
  for (const Made::One& one : made.all) settle(one.what, one.signature);
  hand_out();
}

void SigningDesk::settle(const HashOfKey& what, const Result<std::string>& signature) {
  Waiting waiting = std::move(under_way_[what]);
  under_way_.erase(what);
  bool rsa = is_rsa(what.first);
  auto algorithm = rsa ? ipc::SigningAlgorithm::rsa_sha256 : ipc::SigningAlgorithm::ed25519_sha256;
  ++(signature ? counts_.made[static_cast<std::size_t>(algorithm)] : counts_.failed);
  if (rsa && signature) cache_.put(what, *signature);
  for (const auto& done : waiting) done(signature);
}

bool SigningDesk::is_rsa(std::uint32_t key) const {
  return (*keys_)[key].algorithm() == "rsa-sha256";
}

ipc::SignerReport SigningDesk::take_counts() {
  return std::exchange(counts_, {});
}

}  // namespace postwain::signer
