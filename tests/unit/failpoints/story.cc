#include "tests/unit/failpoints/story.h"

#include <csignal>
#include <memory>

#include <sys/wait.h>
#include <unistd.h>

#include "common/net/loop.h"

#include "qmgr/disk/ballast.h"
#include "qmgr/history/history_store.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "qmgr/store/writing/store_worker.h"
#include "tests/unit/failpoints/messages.h"
#include "tests/unit/store/known_message.h"

namespace postwain::failpoints {

namespace {

using namespace qmgr;

constexpr int kBroken = 75;
constexpr int kTries = 3;  // of a client that gets a 4xx
constexpr Duration kProbe = std::chrono::milliseconds(5);

class Teller {
 public:
  Teller(std::string folder, Shared& shared) : folder_(std::move(folder)), shared_(shared) {}

  int run() {
    (void)Ballast(folder_ + "/ballast").make(65536);
    auto store = SqliteStore::open(folder_ + "/queue.db");
    if (!store) return kBroken;
    files_ = ContentFolder(folder_ + "/content");
    if (!files_.create()) return kBroken;
    if (!files_.sweep([&](mail::QueueId id) { return test::is_known(**store, id); }))
      return kBroken;
    thread_ = std::make_unique<StoreWorker>(
        loop_, store.take(), files_,
        StoreWorker::Events{[](qmgr::StoreTrouble) {}, [](const StoreError&) { ::_exit(kBroken); }},
        kProbe);
    days();
    thread_->finish();
    return history();
  }

 private:
  void days() {
    accept(Step::accept_first, [] { return first(); });
    accept(Step::accept_second, [] { return second(); });
    if (store_file()) accept(Step::accept_large, [] { return large(); });
    fact();
    settle(Step::settle_first, Step::accept_first, settlement_of_first());
    settle(Step::settle_second, Step::accept_second, settlement_of_second());
    settle(Step::settle_large_1, Step::accept_large, settlement_of_large(0));
    checkpoint(false);
    settle(Step::settle_large_2, Step::settle_large_1, settlement_of_large(1));
    checkpoint(true);
    accept(Step::accept_last, [] { return last(); });
  }

  void mark(std::atomic<bool>* marks, Step step) { marks[static_cast<std::size_t>(step)] = true; }
  bool promised(Step step) const { return shared_.promised[static_cast<std::size_t>(step)]; }

  // A client that is told 4xx comes again with the same message.
  template <class Make>
  void accept(Step step, Make make) {
    for (int i = 0; i < kTries && !promised(step); ++i) {
      auto request = std::make_unique<AcceptRequest>();
      request->submission.message = make();
      request->due = at(0);
      request->done = [this, step](AcceptRequest& r) {
        if (r.end == AcceptEnd::stored || r.end == AcceptEnd::duplicate)
          mark(shared_.promised, step);
        loop_.stop();
      };
      mark(shared_.begun, step);
      thread_->accept(std::move(request));
      loop_.run();
      if (!promised(step)) ::usleep(10000);
    }
  }

  void settle(Step step, Step after, Settlement settlement) {
    if (!promised(after)) return;
    auto request = std::make_unique<SettleRequest>();
    request->settlement = std::move(settlement);
    request->urgent = true;
    request->done = [this, step](SettleRequest& r) {
      if (r.error.empty()) mark(shared_.promised, step);
      if (r.settled.content_file_removed) (void)files_.remove(r.settlement.id);
      loop_.stop();
    };
    mark(shared_.begun, step);
    thread_->settle(std::move(request));
    loop_.run();
  }

  bool store_file() {
    for (int i = 0; i < kTries; ++i) {
      Result<ContentFile> file = ContentFile::create(files_, large().info.id);
      if (!file) continue;
      std::string content = body_of_large();
      std::size_t half = content.size() / 2;
      if (!file->append(content.substr(0, half)) || !file->append(content.substr(half))) continue;
      if (file->finish(content.size())) return true;
    }
    return false;
  }

  void fact() {
    thread_->write(DestinationFact(OpenBreaker{"mx:example.org", 1, at(0), at(1000), "no answer"}));
  }

  // On the store's thread, as housekeeping does it; a failure there ends the process the same way.
  void checkpoint(bool wholly) {
    thread_->read([this, wholly](QueueStore& store) -> StoreWorker::Completion {
      StoreStatus done = store.maintenance().checkpoint(wholly);
      bool broken = !done && done.error().kind != StoreError::Kind::full;
      return [this, broken] {
        if (broken) ::_exit(kBroken);
        loop_.stop();
      };
    });
    loop_.run();
  }

  // The history may fail; the queue does not mind.
  int history() {
    Result<HistoryStore> store = HistoryStore::open(folder_ + "/history.db");
    if (!store) return 0;
    std::string records;
    append_record(records, first(), "<m@example.com>");
    (void)store->write(records, at(0));
    return 0;
  }

  std::string folder_;
  Shared& shared_;
  ContentFolder files_;
  net::Loop loop_;
  std::unique_ptr<StoreWorker> thread_;
};

}  // namespace

Ending tell(const std::string& folder, Shared& shared, const Arming* arming) {
  pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // a story that hangs fails
    if (arming != nullptr) qmgr::arm(arming->point, arming->action, arming->nth, &shared.reached);
    int code = Teller(folder, shared).run();
    ::_exit(code);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  Ending ending;
  ending.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  ending.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return ending;
}

}  // namespace postwain::failpoints
