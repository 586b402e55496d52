#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "postwain/client/control_client.h"
#include "postwain/client/operator_request.h"
#include "postwain/client/progress.h"
#include "postwain/client/submission.h"
#include "postwain/commands/portable.h"
#include "postwain/commands/transfer_command.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* kHeldThere = "it was held in the queue it comes from";
constexpr const char* kHeldHere = "held by the import";
constexpr std::size_t kEnvelopeMax = 64U << 20;

// Files of an export. Whoever owns the folder may have put them there, and an export of root's
// belongs to the queue's user, who may have been taken over: so what is read with root's rights is
// neither a link nor another name of a file that is not his.
class ExportFolder {
 public:
  static Result<ExportFolder> open(const std::string& path) {
    ExportFolder out;
    out.path_ = path;
    out.folder_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat info {};
    if (!out.folder_ || ::fstat(out.folder_.get(), &info) != 0)
      return Error{system_error(path, errno).text, kExitNoInput};
    out.owner_ = info.st_uid;
    return out;
  }

  // The names of the envelopes, by id: in the order of arrival.
  Result<std::vector<std::string>> envelopes() const {
    std::vector<std::string> out;
    std::error_code wrong;
    std::string here = fmt::format("/proc/self/fd/{}", folder_.get());
    for (const fs::directory_entry& entry : fs::directory_iterator(here, wrong))
      if (entry.path().extension() == ".json") out.push_back(entry.path().filename().string());
    if (wrong) return Error{path_ + ": " + wrong.message(), kExitNoInput};
    std::sort(out.begin(), out.end());
    return out;
  }

  Result<UniqueFd> file(const std::string& name, struct stat& info) const {
    UniqueFd out(::openat(folder_.get(), name.c_str(),
                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!out || ::fstat(out.get(), &info) != 0) return system_error(shown(name), errno);
    if (!S_ISREG(info.st_mode)) return Error{shown(name) + ": no file"};
    if (info.st_uid != owner_ && info.st_nlink > 1)
      return Error{shown(name) +
                   ": is not the folder owner's, and has other names; the owner "
                   "could have linked any file here"};
    return out;
  }

  std::string shown(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  UniqueFd folder_;
  uid_t owner_ = 0;
};

struct Loaded {
  PortableMessage message;
  UniqueFd content;
};

// Both files, with everything looked at that can be before anything is sent.
Result<Loaded> load(const ExportFolder& folder, const std::string& name) {
  struct stat info {};
  auto envelope = folder.file(name, info);
  if (!envelope) return envelope.error();
  Result<std::string> text = read_small_fd(envelope->get(), kEnvelopeMax);
  if (!text) return Error{folder.shown(name) + ": " + text.error().text};
  auto message = parse_portable(*text);
  if (!message) return Error{folder.shown(name) + ": " + message.error().text};
  std::string beside = name.substr(0, name.size() - 4) + "eml";
  auto content = folder.file(beside, info);
  if (!content) return content.error();
  Loaded loaded{message.take(), content.take()};
  if (static_cast<std::uint64_t>(info.st_size) != loaded.message.size)
    return Error{fmt::format("{}: {} bytes instead of {}", folder.shown(beside), info.st_size,
                             loaded.message.size)};
  return loaded;
}

SubmissionSource source_of(const Loaded& loaded, bool hold, bool any_held) {
  const PortableMessage& message = loaded.message;
  SubmissionSource source;
  source.id = message.id;
  source.envelope = message.envelope;
  source.arrival = message.arrival;
  source.size_max = message.size;
  source.queue_import = ipc::QueueImport{message.id, message.kind,
                                         hold       ? kHeldHere
                                         : any_held ? kHeldThere
                                                    : "",
                                         message.unjudged};
  source.head = [](mail::QueueId) { return std::string(); };
  source.eight_bit = [&message] { return message.eight_bit; };
  source.more = [fd = loaded.content.get()](std::string& out) -> Result<bool> {
    char block[65536];
    ssize_t n = 0;
    do n = ::read(fd, block, sizeof block);
    while (n < 0 && errno == EINTR);
    if (n < 0) return system_error("read", errno);
    out.append(block, static_cast<std::size_t>(n));
    return n > 0;
  };
  return source;
}

// Of a message some of whose recipients were held: it came in held as a whole, the others go on.
Status release_others(const config::Config& config, const PortableMessage& message) {
  for (std::size_t i = 0; i < message.held.size(); ++i) {
    if (message.held[i]) continue;
    OperatorRequest request(ipc::OperatorCommand::queue_release);
    request.with(
        ipc::CommandArgument::filter,
        {{"id", message.id.text()}, {"recipient", message.envelope.recipients[i].address.text()}});
    // More files are still to be read, perhaps root's; the answer is not looked at.
    auto done = ask(config, request.text(), [](const std::string&) {}, {.give_up_root = false});
    if (!done) return done.error();
  }
  return {};
}

struct Sums {
  std::size_t imported = 0;
  std::size_t wrong = 0;
  std::size_t refused = 0;
};

// The error is one that ends the whole command.
Status import_one(const config::Config& config, const ExportFolder& folder, const std::string& name,
                  const TransferOptions& transfer, Sums& sums) {
  auto loaded = load(folder, name);
  if (!loaded) {
    fail(kExitDataError, loaded.error().text);
    ++sums.wrong;
    return {};
  }
  if (transfer.dry_run) return ++sums.imported, Status{};
  const std::vector<bool>& held = loaded->message.held;
  bool any_held = std::find(held.begin(), held.end(), true) != held.end();
  auto reply = submit(config, source_of(*loaded, transfer.hold, any_held));
  if (!reply) return reply.error();
  if (!reply->positive()) {
    fail(kExitTempFail, folder.shown(name) + ": not accepted: " + reply->one_line());
    ++sums.refused;
    return {};
  }
  ++sums.imported;
  if (any_held && !transfer.hold) return release_others(config, loaded->message);
  return {};
}

}  // namespace

int import_command(const ClientOptions& options, const TransferOptions& transfer) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  auto folder = ExportFolder::open(transfer.folder);
  if (!folder) return fail(folder.error().code, folder.error().text);
  auto files = folder->envelopes();
  if (!files) return fail(files.error().code, files.error().text);
  Sums sums;
  Progress progress("imported", files->size());
  for (const std::string& name : *files) {
    Status done = import_one(*config, *folder, name, transfer, sums);
    if (!done)
      return fail(done.error().code != 0 ? done.error().code : kExitTempFail,
                  fmt::format("{}; {} of {} imported (it may be repeated: what is there already is "
                              "not stored twice)",
                              done.error().text, sums.imported, files->size()));
    progress.step();
  }
  progress.end();
  if (options.json)
    fmt::print("{}\n", Json({{"imported", sums.imported},
                             {"wrong", sums.wrong},
                             {"refused", sums.refused},
                             {"dry_run", transfer.dry_run}})
                           .dump());
  else
    fmt::print("{} message{} {}, {} file{} not understood, {} refused\n", sums.imported,
               sums.imported == 1 ? "" : "s", transfer.dry_run ? "could be imported" : "imported",
               sums.wrong, sums.wrong == 1 ? "" : "s", sums.refused);
  if (sums.wrong > 0) return kExitDataError;
  return sums.refused > 0 ? kExitTempFail : kExitOk;
}

}  // namespace postwain::tool
