#include "tests/unit/powerloss/life.h"

#include <future>

#include <fmt/format.h>

#include "common/base/check.h"

#include "qmgr/store/queue_reader.h"
#include "qmgr/store/queue_walk.h"
#include "qmgr/store/writing/batch_writer.h"
#include "tests/unit/store/known_message.h"

namespace postwain::powerloss {

using namespace postwain::qmgr;

namespace {

const std::string kDatabase = std::string(kSpool) + "/queue.db";
const std::string kContent = std::string(kSpool) + "/content";
constexpr Duration kProbe = std::chrono::milliseconds(1);

}  // namespace

simdisk::Image empty_spool() {
  simdisk::Image image;
  image.names[kSpool] = 1;
  return image;
}

Life::Life(simdisk::Disk& disk, Ledger& ledger, Sin sin)
    : disk_(disk), ledger_(ledger), sin_(sin), vfs_(disk), files_(disk), folder_(kContent, files_) {
  files_.forget_sync = sin == Sin::no_file_sync;
  files_.forget_folder_sync = sin == Sin::no_folder_sync;
  files_.unnamed = disk.position() % 2 == 0;  // both ways of making a file, from story to story
}

Life::~Life() {
  if (thread_) vanish();
}

bool Life::start() {
  auto store = SqliteStore::open(kDatabase, vfs_.name());
  if (!store) return false;
  if (sin_ == Sin::normal_sync && !(*store)->database().run("PRAGMA synchronous = NORMAL"))
    return false;
  if (!folder_.create()) return false;
  if (!folder_.sweep([&](mail::QueueId id) { return test::is_known(**store, id); })) return false;
  StoreWorker::Events events;
  events.on_trouble = [this](StoreTrouble trouble) {
    full_ = trouble != StoreTrouble::none;
    if (full_)
      ++pending_;  // nothing else is tried until there is room
    else
      answered();
  };
  events.on_broken = [this](const StoreError& error) {
    broken_ = true;
    trouble_ = error.text;
    loop_.stop();
  };
  thread_ = std::make_unique<StoreWorker>(loop_, store.take(), folder_, std::move(events), kProbe);
  return true;
}

bool Life::store_file(std::uint64_t id, const std::string& content) {
  Result<ContentFile> file = ContentFile::create(folder_, mail::QueueId{id});
  if (!file) return false;
  constexpr std::size_t kPiece = 5000;
  for (std::size_t at = 0; at < content.size(); at += kPiece)
    if (!file->append(std::string_view(content).substr(at, kPiece))) return false;
  return file->finish(content.size()).ok();
}

void Life::abandon_file(std::uint64_t id, const std::string& content) {
  Result<ContentFile> file = ContentFile::create(folder_, mail::QueueId{id});
  if (file) (void)file->append(content);
}

namespace {

std::vector<mail::QueueId> ids_of(const Submission& submission) {
  std::vector<mail::QueueId> ids{submission.message.info.id};
  for (const NewMessage& part : submission.parts) ids.push_back(part.info.id);
  return ids;
}

}  // namespace

bool Life::share_file(std::uint64_t id, std::uint64_t other) {
  return folder_.share(mail::QueueId{id}, {mail::QueueId{other}}).ok();
}

void Life::accept(NewMessage message, std::vector<NewMessage> parts) {
  gathered_.push_back([this, message = std::move(message), parts = std::move(parts)] {
    Ledger::Changes changes;
    auto add = [&](const NewMessage& one) {
      for (std::uint32_t i = 0; i < one.recipients.size(); ++i)
        changes[{one.info.id.value, i}] =
            Row{true, false, false, 0, to_unix_ms(one.info.arrival.received_at)};
    };
    add(message);
    for (const NewMessage& part : parts) add(part);
    std::size_t position = disk_.position();
    std::size_t request =
        ledger_.begin(fmt::format("message {}", message.info.id.value), changes, position);
    if (sin_ == Sin::early_promise) ledger_.promised(request, position);
    submit_accept(message, parts, request);
  });
}

void Life::submit_accept(NewMessage message, std::vector<NewMessage> parts, std::size_t request) {
  auto handed = std::make_unique<AcceptRequest>();
  handed->due = message.info.arrival.received_at;
  handed->submission.message = std::move(message);
  handed->submission.parts = std::move(parts);
  ++pending_;
  handed->done = [this, request](AcceptRequest& r) {
    if (r.end == AcceptEnd::stored || r.end == AcceptEnd::duplicate) {
      ledger_.promised(request, disk_.position());
      ++accepted_;
    } else {
      ++refused_;
      if (r.submission.message.info.in_file && certainly_not_stored(r.end))
        for (mail::QueueId id : ids_of(r.submission)) (void)folder_.remove(id);
    }
    answered();
  };
  thread_->accept(std::move(handed));
}

void Life::settle(std::string what, Settlement settlement, Ledger::Changes changes) {
  gathered_.push_back([this, what = std::move(what), settlement = std::move(settlement),
                       changes = std::move(changes)] { submit_settle(what, settlement, changes); });
}

void Life::submit_settle(std::string what, Settlement settlement, Ledger::Changes changes) {
  if (sin_ == Sin::file_before_row) (void)folder_.remove(settlement.id);
  std::size_t request = ledger_.begin(std::move(what), std::move(changes), disk_.position());
  std::vector<NoticeOrder> late;
  if (sin_ == Sin::bounce_apart) late.swap(settlement.notices);
  auto handed = std::make_unique<SettleRequest>();
  handed->settlement = std::move(settlement);
  handed->urgent = true;
  ++pending_;
  handed->done = [this, request, late](SettleRequest& r) {
    if (!r.error.empty()) trouble_ = r.error;
    for (const NewMessage& notice : r.settled.notices)
      ledger_.content(notice.info.id.value, notice.content);
    if (late.empty()) ledger_.promised(request, disk_.position());
    if (r.settled.content_file_removed) (void)folder_.remove(r.settled.id);
    for (const NoticeOrder& order : late)
      second_.push_back([this, request, order] {
        NewMessage notice;
        notice.info.id = order.request.id;
        notice.info.arrival.received_at = order.request.now;
        notice.info.arrival.protocol = "local";
        notice.content = "a bounce";
        notice.info.size = notice.content.size();
        notice.recipients = order.recipients;
        submit_accept(std::move(notice), {}, request);
      });
    answered();
  };
  thread_->settle(std::move(handed));
}

void Life::write_breaker(const std::string& destination) {
  OpenBreaker breaker{destination, 1, from_unix_ms(1), from_unix_ms(2), "down"};
  gathered_.push_back([this, breaker] { thread_->write(DestinationFact(breaker)); });
}

void Life::commit() {
  while (!gathered_.empty() && !broken_) {
    std::promise<void> busy;
    std::promise<void> gate;
    thread_->read(
        [&busy, open = gate.get_future().share()](QueueStore&) -> StoreWorker::Completion {
          busy.set_value();
          open.wait();
          return nullptr;
        });
    busy.get_future().wait();
    for (auto& hand_over : gathered_) hand_over();
    gathered_.clear();
    gate.set_value();
    await();
    gathered_.swap(second_);
  }
}

void Life::on_store(std::function<void(QueueStore&)> work) {
  ++pending_;
  thread_->read([this, work = std::move(work)](QueueStore& store) -> StoreWorker::Completion {
    work(store);
    return [this] { answered(); };
  });
  await();
}

// A failed checkpoint is what StoreWorker's housekeeping sees; the error of a full disk is
// harmless.
void Life::checkpoint(bool wholly) {
  on_store([this, wholly](QueueStore& store) {
    StoreStatus done = store.maintenance().checkpoint(wholly);
    if (!done && done.error().kind != StoreError::Kind::full) {
      broken_ = true;
      trouble_ = done.error().text;
    }
  });
}

void Life::vacuum() {
  on_store([this](QueueStore& store) {
    Status done = static_cast<SqliteStore&>(store).database().run("PRAGMA incremental_vacuum(8)");
    if (!done && kind_of(done.error()) != StoreError::Kind::full) {
      broken_ = true;
      trouble_ = done.error().text;
    }
  });
}

void Life::answered() {
  PW_CHECK(pending_ > 0);
  if (--pending_ == 0) loop_.stop();
}

void Life::await() {
  while (pending_ > 0 && !broken_) loop_.run();
}

void Life::stop() {
  thread_->finish();
  thread_.reset();
}

void Life::vanish() {
  disk_.freeze();
  thread_.reset();
}

namespace {

std::string read_all(SqliteStore& store, ContentFolder& folder, Found& found) {
  std::size_t in_files = 0;
  std::size_t in_rows = 0;  // something of their content
  ListCursor at;
  for (bool end = false; !end;) {
    StoreResult<ListPage> page = QueueWalk(store).list(at, mail::QueueId{INT64_MAX}, 1000, 100000);
    if (!page) return page.error().text;
    at = page->next;
    end = page->end;
    for (const StoredMessage& message : page->parts) {
      mail::QueueId after = message.info.id;
      std::string who = fmt::format("message {}", after.value);
      if (message.recipients.empty()) return who + " has no recipient";
      for (const StoredRecipient& r : message.recipients)
        found.rows[{after.value, r.index}] = row_of(r);
      std::size_t length = message.info.size + 1;
      std::string bytes;
      if (message.info.has_stored_content()) {
        StoreResult<std::optional<std::string>> row = QueueReader(store).content(after, 0, length);
        if (!row) return row.error().text;
        if (!*row) return who + " has no content";
        in_rows += QueueReader(store).compact(after)->has_value() ? 0 : 1;
        bytes = **row;
      }
      if (message.info.in_file) {
        ++in_files;
        Result<std::string> read = folder.read(after, 0, length);
        if (!read) return who + ": " + read.error().text;
        bytes += *read;
      }
      if (bytes.size() != message.info.size) return who + ": content of another size";
      found.contents[after.value] = std::move(bytes);
    }
  }
  auto rows = store.database().ask("SELECT count(*) FROM content");
  if (!rows || *rows != std::to_string(in_rows)) return "contents without a message";
  if (folder.disk().names(folder.path())->size() != in_files) return "files without a message";
  return {};
}

}  // namespace

std::string judge(const simdisk::Image& image, const Ledger& ledger, std::size_t position,
                  Found* out) {
  simdisk::Disk disk(image);
  simdisk::SqliteVfs vfs(disk);
  simdisk::Files files(disk);
  auto store = SqliteStore::open(kDatabase, vfs.name());
  if (!store) return "the store does not open: " + store.error().text;
  ContentFolder folder(kContent, files);
  if (Status s = folder.create(); !s) return s.error().text;
  auto swept = folder.sweep([&](mail::QueueId id) { return test::is_known(**store, id); });
  if (!swept) return swept.error().text;
  for (const char* pragma : {"PRAGMA integrity_check", "PRAGMA foreign_key_check"}) {
    Result<std::string> said = (*store)->database().ask(pragma);
    if (!said) return said.error().text;
    if (*said != "ok" && !said->empty()) return std::string(pragma) + ": " + *said;
  }
  Found found;
  std::string wrong = read_all(**store, folder, found);
  if (out != nullptr) *out = found;
  if (wrong.empty()) wrong = ledger.judge(found, position);
  if (!wrong.empty()) return wrong;
  // As rows everything is the same.
  if (StoreStatus s = BatchWriter(**store, nullptr).normalise_all(); !s)
    return "not unpacked: " + s.error().text;
  Found rows;
  wrong = read_all(**store, folder, rows);
  if (!wrong.empty()) return "unpacked, " + wrong;
  return rows.rows == found.rows && rows.contents == found.contents
             ? ""
             : "unpacked, it is another queue";
}

}  // namespace postwain::powerloss
