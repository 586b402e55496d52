// What must be found after the story, whatever happened in it.
#include <map>

#include <fmt/format.h>

#include "qmgr/disk/content_files.h"
#include "qmgr/store/queue_reader.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "tests/unit/failpoints/messages.h"
#include "tests/unit/failpoints/story.h"
#include "tests/unit/store/known_message.h"

namespace postwain::failpoints {

namespace {

using namespace qmgr;

class Judge {
 public:
  Judge(const Shared& shared, QueueStore& store, const ContentFolder& files)
      : shared_(shared), store_(store), files_(files) {}

  std::string all() {
    for (std::uint64_t id : {kFirst, kSecond, kLarge, kLast, kBounce}) {
      auto found = QueueReader(store_).message(mail::QueueId{id}, 0, 10);
      if (!found) return found.error().text;
      if (*found) messages_[id] = **found;
    }
    for (auto part : {&Judge::of_first, &Judge::of_second, &Judge::of_large, &Judge::of_last})
      if (std::string wrong = (this->*part)(); !wrong.empty()) return wrong;
    return {};
  }

 private:
  bool promised(Step step) const { return shared_.promised[static_cast<std::size_t>(step)]; }
  bool begun(Step step) const { return shared_.begun[static_cast<std::size_t>(step)]; }
  bool there(std::uint64_t id) const { return messages_.count(id) > 0; }
  const StoredRecipient* row(std::uint64_t id, std::uint32_t index) const {
    auto found = messages_.find(id);
    if (found == messages_.end()) return nullptr;
    for (const StoredRecipient& r : found->second.recipients)
      if (r.index == index) return &r;
    return nullptr;
  }

  // A settlement has happened whole, or not at all; after its answer: whole.
  std::string whole_or_not(Step step, bool happened, bool untouched, const char* what) const {
    if (!happened && !untouched) return fmt::format("{} has happened in part", what);
    if (promised(step) && !happened) return fmt::format("{} was promised and is not there", what);
    if (!begun(step) && !untouched) return fmt::format("{} happened without a word", what);
    return {};
  }

  std::string of_first() {
    if (!there(kFirst))
      return promised(Step::accept_first) ? "the first message is lost" : std::string();
    const StoredRecipient* kept = row(kFirst, 1);
    if (kept == nullptr) return "the deferred recipient is lost";
    bool gone = row(kFirst, 0) == nullptr;
    return whole_or_not(Step::settle_first, gone && kept->attempts == 1,
                        !gone && kept->attempts == 0, "the first settlement");
  }

  std::string of_second() {
    if (!there(kSecond) && !there(kBounce))
      return promised(Step::accept_second) ? "the second message is lost" : std::string();
    return whole_or_not(Step::settle_second, !there(kSecond) && there(kBounce),
                        there(kSecond) && !there(kBounce), "failure and bounce");
  }

  std::string of_large() {
    if (there(kLarge)) {
      auto bytes = files_.read(mail::QueueId{kLarge}, 0, 1U << 20);
      if (!bytes || *bytes != body_of_large()) return "the large body is damaged";
      auto header = QueueReader(store_).content(mail::QueueId{kLarge}, 0, 1U << 20);
      if (!header || *header != header_of_large()) return "the large header section is damaged";
    } else if (promised(Step::accept_large) && !begun(Step::settle_large_2)) {
      return "the large message is lost";
    }
    if (promised(Step::settle_large_2) && there(kLarge)) return "the large message is still there";
    if (!promised(Step::accept_large)) return {};
    if (std::string wrong = whole_or_not(Step::settle_large_1, row(kLarge, 0) == nullptr,
                                         row(kLarge, 0) != nullptr, "the first large settlement");
        !wrong.empty())
      return wrong;
    return {};
  }

  std::string of_last() {
    return promised(Step::accept_last) && !there(kLast) ? "the last message is lost" : "";
  }

  const Shared& shared_;
  QueueStore& store_;
  const ContentFolder& files_;
  std::map<std::uint64_t, StoredMessage> messages_;
};

std::string files_left_over(const ContentFolder& files, QueueStore& store) {
  auto swept = files.sweep([&](mail::QueueId id) { return test::is_known(store, id); });
  if (!swept) return swept.error().text;
  auto names = files.disk().names(files.path());
  if (!names) return names.error().text;
  std::size_t wanted = *test::is_known(store, mail::QueueId{kLarge}) ? 1 : 0;
  std::size_t found = 0;
  for (const std::string& name : *names)
    if (name != "." && name != "..") ++found;
  return found == wanted ? std::string() : fmt::format("{} content files are left", found);
}

}  // namespace

std::string judge(const std::string& folder, const Shared& shared) {
  auto store = SqliteStore::open(folder + "/queue.db");
  if (!store) return store.error().text;
  auto sound = (*store)->database().ask("PRAGMA integrity_check");
  if (!sound || *sound != "ok") return "the database is damaged";
  ContentFolder files(folder + "/content");
  if (Status s = files.create(); !s) return s.error().text;
  if (std::string wrong = Judge(shared, **store, files).all(); !wrong.empty()) return wrong;
  return files_left_over(files, **store);
}

}  // namespace postwain::failpoints
