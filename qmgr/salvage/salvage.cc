#include "qmgr/salvage/salvage.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "common/mail/queue_id.h"

#include "qmgr/disk/content_files.h"
#include "qmgr/disk/file_system.h"
#include "qmgr/salvage/page_rows.h"
#include "qmgr/store/compact_record.h"
#include "qmgr/store/sqlite/sqlite_store.h"

namespace postwain::qmgr {

namespace {

// Of the oldest schema that can be met.
constexpr std::size_t kMessageColumnsOldest = 16;
constexpr std::size_t kRecipientColumnsOldest = 17;
constexpr std::size_t kContentColumns = 2;
constexpr std::size_t kCompactColumns = 3;

std::string id_text(std::int64_t id) {
  return mail::QueueId{static_cast<std::uint64_t>(id)}.text();
}

const std::int64_t* number(const Value& value) {
  return std::get_if<std::int64_t>(&value);
}

// "INSERT OR IGNORE INTO name VALUES (?1,?2,…)"
std::string insert_text(const char* table, std::size_t columns) {
  std::string sql = fmt::format("INSERT OR IGNORE INTO {} VALUES (", table);
  for (std::size_t i = 1; i <= columns; ++i) sql += fmt::format("{}?{}", i > 1 ? "," : "", i);
  return sql + ")";
}

bool insert(Statement& statement, const std::vector<Value>& columns) {
  Use use(statement);
  for (const Value& value : columns) {
    if (const auto* n = number(value))
      use.number(*n);
    else if (const auto* text = std::get_if<std::string>(&value))
      use.text(*text);
    else if (const auto* blob = std::get_if<Blob>(&value))
      use.blob({blob->data(), blob->size()});
    else
      return false;  // our rows have neither NULL nor fractions
  }
  return use.done();
}

Error error_of(const StoreStatus& failed) {
  return {failed.error().text, EIO};
}

// What is known of a message while its parts are looked for.
struct Known {
  MessageInfo info;          // only where its content lies, and how much of it
  bool has_content = false;  // what the store keeps of it was found
};

// A table as the present schema has it. Migrations add columns at the end, so a row of an older one
// is shorter and gets the defaults.
class TableShape {
 public:
  static Result<TableShape> of(Database& database, const char* table) {
    Result<Statement> columns = Statement::prepare(
        database, fmt::format("SELECT name, ifnull(dflt_value, '') FROM pragma_table_info('{}') "
                              "ORDER BY cid",
                              table));
    if (!columns) return columns.error();
    TableShape shape;
    Use use(*columns);
    while (use.step() == Use::Step::row) {
      shape.names_.push_back(use.text());
      shape.defaults_.push_back(value_of(use.text()));
    }
    return shape;
  }

  std::size_t columns() const { return names_.size(); }
  bool has_length(std::size_t columns, std::size_t oldest) const {
    return columns >= oldest && columns <= names_.size();
  }
  void complete(std::vector<Value>& row) const {
    for (std::size_t i = row.size(); i < names_.size(); ++i) row.push_back(defaults_[i]);
  }
  // The value of a column in a row that is complete.
  Value& at(std::vector<Value>& row, std::string_view name) const {
    auto found = std::find(names_.begin(), names_.end(), name);
    PW_CHECK(found != names_.end());
    return row[static_cast<std::size_t>(found - names_.begin())];
  }

 private:
  // A default as SQL writes it: a number, or a text in quotes.
  static Value value_of(const std::string& sql) {
    if (sql.size() >= 2 && sql.front() == '\'') return sql.substr(1, sql.size() - 2);
    return parse_decimal<std::int64_t>(sql).value_or(0);
  }

  std::vector<std::string> names_;
  std::vector<Value> defaults_;
};

class Salvage {
 public:
  Salvage(PageSource source, std::string from, std::string to, SqliteStore& store)
      : source_(std::move(source)), from_(std::move(from)), to_(std::move(to)), store_(store) {}

  Result<SalvageReport> run() {
    report_.pages = source_.pages();
    report_.pages_of_log = source_.pages_of_log();
    report_.held = !source_.free_list_known();
    if (Status s = prepare(); !s) return s.error();
    // Recipients refer to messages and contents, so these come first: one pass over the file for
    // each.
    for (Pass pass : {Pass::messages, Pass::contents, Pass::recipients})
      if (Status s = read_all(pass); !s) return s.error();
    if (Status s = leave_out_incomplete(); !s) return s.error();
    if (over_ > 0) report_.losses.push_back(fmt::format("and {} more losses", over_));
    return std::move(report_);
  }

 private:
  enum class Pass { messages, contents, recipients };

  Status prepare() {
    Result<TableShape> messages = TableShape::of(store_.database(), "message");
    Result<TableShape> recipients = TableShape::of(store_.database(), "recipient");
    if (!messages || !recipients) return (messages ? recipients : messages).error();
    message_shape_ = messages.take();
    recipient_shape_ = recipients.take();
    struct {
      Statement* statement;
      std::string sql;
    } all[] = {{&message_, insert_text("message", message_shape_.columns())},
               {&content_, insert_text("content", kContentColumns)},
               {&recipient_, insert_text("recipient", recipient_shape_.columns())}};
    for (auto& one : all) {
      Result<Statement> made = Statement::prepare(store_.database(), one.sql);
      if (!made) return made.error();
      *one.statement = made.take();
    }
    return {};
  }

  Status read_all(Pass pass) {
    constexpr std::uint32_t kPagesAtOnce = 4096;
    for (std::uint32_t number = 1; number <= source_.pages();) {
      if (StoreStatus s = store_.begin(); !s) return error_of(s);
      for (std::uint32_t i = 0; i < kPagesAtOnce && number <= source_.pages(); ++i, ++number)
        read_page(number, pass);
      if (StoreStatus s = store_.commit(); !s) return error_of(s);
    }
    return {};
  }

  void read_page(std::uint32_t number, Pass pass) {
    if (source_.free_pages().count(number) > 0 || PageSource::is_pointer_map(number)) return;
    Result<std::string> page = source_.read(number);
    if (!page) {
      if (pass == Pass::messages) lose(fmt::format("page {} cannot be read", number));
      return;
    }
    if (pass == Pass::messages && is_destroyed(*page, number))
      lose(fmt::format("page {} is destroyed; what stood on it is lost", number));
    for_each_row(source_, *page, number == 1, [&](PageRow row) { take(std::move(row), pass); });
  }

  // A page of a tree begins with its kind, one of an overflowing row with the high byte of a page
  // number, which is 0 in any file below 64 GiB.
  static bool is_destroyed(const std::string& page, std::uint32_t number) {
    if (number == 1) return page.compare(0, 15, "SQLite format 3") != 0;
    char kind = page[0];
    if (kind == 0) return page.find_first_not_of('\0') == std::string::npos;
    return kind != 2 && kind != 5 && kind != 10 && kind != 13;
  }

  void take(PageRow row, Pass pass) {
    std::size_t columns = row.columns.size();
    bool is_first_null = columns > 0 && std::holds_alternative<Null>(row.columns[0]);
    if (pass == Pass::messages && row.in_table && is_first_null &&
        message_shape_.has_length(columns, kMessageColumnsOldest))
      return take_message(std::move(row));
    if (pass == Pass::contents && row.in_table && columns == kContentColumns && is_first_null)
      return take_content(std::move(row));
    if (pass == Pass::messages && row.in_table && columns == kContentColumns && is_first_null)
      if (const auto* left = std::get_if<std::string>(&row.columns[1])) rests_[row.row_id] = *left;
    if (pass == Pass::contents && row.in_table && columns == kCompactColumns && is_first_null)
      return take_compact(row);
    if (pass == Pass::recipients && !row.in_table &&
        recipient_shape_.has_length(columns, kRecipientColumnsOldest))
      take_recipient(std::move(row));
  }

  void take_message(PageRow row) {
    row.columns[0] = row.row_id;
    message_shape_.complete(row.columns);
    if (row.row_id <= 0 || !insert(message_, row.columns)) return;
    auto value = [&](std::string_view name) {
      return *number(message_shape_.at(row.columns, name));
    };
    Known& known = messages_[row.row_id] = {};
    known.info.in_file = value("in_file") != 0;
    known.info.size = static_cast<std::uint64_t>(value("size"));
    known.info.header_size = static_cast<std::uint32_t>(value("header_size"));
  }

  void take_content(PageRow row) {
    auto message = messages_.find(row.row_id);
    const auto* bytes = std::get_if<Blob>(&row.columns[1]);
    if (bytes == nullptr) return;
    std::string_view data(bytes->data(), bytes->size());
    if (message == messages_.end()) {
      lose(fmt::format("{}: content without a message; {}", id_text(row.row_id),
                       save(row.row_id, data)));
      return;
    }
    if (data.size() != message->second.info.stored_size()) return;  // not its content
    row.columns[0] = row.row_id;
    message->second.has_content = insert(content_, row.columns);
  }

  // A message that was one value still: nothing of it can be missing.
  void take_compact(const PageRow& row) {
    const auto* data = std::get_if<Blob>(&row.columns[2]);
    if (row.row_id <= 0 || data == nullptr) return;
    mail::QueueId id{static_cast<std::uint64_t>(row.row_id)};
    auto record = decode_compact(id, {data->data(), data->size()});
    if (!record) return;
    NewMessage& message = record->message;
    if (record->content.size() != message.info.stored_size()) return;
    message.content = record->content;
    if (report_.held) message.held_for = "recovered from a damaged queue";
    std::string_view rest = rest_of(id);
    std::size_t left = 0;
    for (std::size_t i = 0; i < message.recipients.size(); ++i) left += is_left(rest, i) ? 1 : 0;
    if (left == 0) return;  // all are settled
    MessageRows::Insert stored_row{&message, record->due, message.content, rest};
    StoreResult<Flags> stored = store_.rows().insert({&stored_row, 1});
    if (!stored || !stored->front()) return;
    messages_[row.row_id] = {message.info, true};
    with_recipients_.insert(row.row_id);
    report_.recipients += left;
  }

  // Who is left of a compact message; empty: all.
  std::string_view rest_of(mail::QueueId id) const {
    auto found = rests_.find(static_cast<std::int64_t>(id.value));
    return found == rests_.end() ? std::string_view() : std::string_view(found->second);
  }

  void take_recipient(PageRow row) {
    const auto* id = number(row.columns[0]);
    const auto* address = std::get_if<std::string>(&row.columns[2]);
    if (id == nullptr || address == nullptr) return;
    recipient_shape_.complete(row.columns);
    if (report_.held) recipient_shape_.at(row.columns, "state") = std::int64_t{1};
    if (messages_.count(*id) > 0) {
      if (insert(recipient_, row.columns) && store_.database().changes() > 0) {
        with_recipients_.insert(*id);
        ++report_.recipients;
      }
    } else if (number(row.columns[1]) != nullptr) {
      lose(fmt::format("{}: the message to {} is gone", id_text(*id), *address));
    }
  }

  // Of the content file in the damaged spool; nothing: there is none.
  std::optional<std::uint64_t> file_size_of(std::int64_t id) const {
    struct stat info {};
    std::string name = from_ + "/content/" + id_text(id);
    if (::lstat(name.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
    return static_cast<std::uint64_t>(info.st_size);
  }

  // Files are linked, not copied: the damaged spool keeps its own names.
  bool has_file(std::int64_t id, std::uint64_t size) {
    std::string name = "/content/" + id_text(id);
    if (file_size_of(id) != size) return false;
    if (::link((from_ + name).c_str(), (to_ + name).c_str()) == 0) return true;
    return copy_file(from_ + name, to_ + name).ok();
  }

  std::string save(std::int64_t id, std::string_view data) {
    (void)::mkdir((to_ + "/lost").c_str(), 0700);
    std::string path = fmt::format("{}/lost/{}.eml", to_, id_text(id));
    UniqueFd out(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!out || !write_all(out.get(), data) || ::fsync(out.get()) != 0)
      return "it could not be saved";
    return "saved as " + path;
  }

  Status leave_out_incomplete() {
    Result<Statement> remove =
        Statement::prepare(store_.database(), "DELETE FROM message WHERE id = ?1");
    if (!remove) return remove.error();
    if (StoreStatus s = store_.begin(); !s) return error_of(s);
    for (const auto& [id, message] : messages_) {
      bool in_store = message.has_content || !message.info.has_stored_content();
      bool in_file = !message.info.in_file || has_file(id, message.info.size_of_file());
      bool whole = in_store && in_file;
      bool wanted = with_recipients_.count(id) > 0;
      if (whole && wanted) {
        ++report_.messages;
        continue;
      }
      if (!whole)
        lose(fmt::format("{}: {}, {}", id_text(id), what_is_gone(id, message, in_store),
                         wanted ? "its recipients get nothing" : "and its recipients are gone"));
      else
        lose(fmt::format("{}: its recipients are gone; {}", id_text(id), save_known(id, message)));
      Use use(*remove);
      if (!use.number(id).done()) return store_.database().error("DELETE");
    }
    StoreStatus done = store_.commit();
    return done ? Status{} : error_of(done);
  }

  // Content that lies in two places may have lost one of them; what is left is saved and named.
  std::string what_is_gone(std::int64_t id, const Known& message, bool in_store) {
    bool apart = message.info.in_file && message.info.has_stored_content();
    if (!apart) return "the content is gone";
    if (!in_store && file_size_of(id) == message.info.size_of_file())
      return "its header section is gone; its body is in content/" + id_text(id);
    if (!in_store) return "the content is gone";
    return "its body is gone; its header section: " + save_stored(id);
  }

  std::string save_stored(std::int64_t id) {
    StoreResult<std::optional<std::string>> bytes =
        store_.rows().content(mail::QueueId{static_cast<std::uint64_t>(id)}, 0, kRowMax);
    return bytes && *bytes ? save(id, **bytes) : "it could not be saved";
  }

  std::string save_known(std::int64_t id, const Known& message) {
    if (!message.info.has_stored_content()) return "its content is in content/" + id_text(id);
    std::string saved = save_stored(id);
    return message.info.in_file ? saved + "; its body is in content/" + id_text(id) : saved;
  }

  void lose(std::string sentence) {
    if (report_.losses.size() < kLossesMax)
      report_.losses.push_back(std::move(sentence));
    else
      ++over_;
  }

  PageSource source_;
  std::string from_;
  std::string to_;
  SqliteStore& store_;
  TableShape message_shape_, recipient_shape_;
  Statement message_, content_, recipient_;
  std::map<std::int64_t, Known> messages_;
  std::set<std::int64_t> with_recipients_;
  std::map<std::int64_t, std::string> rests_;  // of compact messages
  SalvageReport report_;
  std::size_t over_ = 0;
};

// Holding its lock for a moment shows that nobody works with the spool.
Status nobody_there(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return system_error(path, errno);
  constexpr off_t kSharedLocks = 0x40000000 + 2;  // where SQLite's own lock bytes lie
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kSharedLocks;
  lock.l_len = 510;
  if (::fcntl(file.get(), F_SETLK, &lock) != 0)
    return Error{path + ": Postwain works with this queue; stop it first", EBUSY};
  return {};
}

Status make_or_find_empty(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return system_error(folder, errno);
  auto names = FileSystem::real().names(folder);
  if (!names) return names.error();
  return names->size() <= 2 ? Status{} : Status(system_error(folder, ENOTEMPTY));  // "." and ".."
}

}  // namespace

Result<SalvageReport> salvage(const std::string& from, const std::string& to) {
  std::string path = from + "/queue.db";
  if (Status s = nobody_there(path); !s) return s.error();
  Result<PageSource> source = PageSource::open(path);
  if (!source) return source.error();
  if (Status s = make_or_find_empty(to); !s) return s.error();
  ContentFolder files(to + "/content");
  if (Status s = files.create(); !s) return s.error();
  Result<std::string> folder = real_path(to);
  if (!folder) return folder.error();
  auto store = SqliteStore::open(*folder + "/queue.db");
  if (!store) return Error{store.error().text, EIO};
  Result<SalvageReport> report = Salvage(source.take(), from, to, **store).run();
  if (!report) return report;
  if (StoreStatus s = (*store)->maintenance().checkpoint(true); !s) return error_of(s);
  for (const std::string& folder_to_sync : {files.path(), to})
    if (Status s = sync_folder(folder_to_sync); !s) return s.error();
  return report;
}

}  // namespace postwain::qmgr
