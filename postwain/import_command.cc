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
#include "postwain/control_client.h"
#include "postwain/portable.h"
#include "postwain/progress.h"
#include "postwain/submission.h"
#include "postwain/transfer_command.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* kHeldThere = "it was held in the queue it comes from";
constexpr const char* kHeldHere = "held by the import";
constexpr std::size_t kEnvelopeMax = 64U << 20;

Result<std::vector<std::string>> envelopes_in(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code wrong;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, wrong))
    if (entry.path().extension() == ".json") out.push_back(entry.path().string());
  if (wrong) return Error{folder + ": " + wrong.message(), kExitNoInput};
  std::sort(out.begin(), out.end());  // by id: in the order of arrival
  return out;
}

struct Loaded {
  PortableMessage message;
  UniqueFd content;
};

// Both files, with everything looked at that can be before anything is sent.
Result<Loaded> load(const std::string& path) {
  Result<std::string> text = read_small_file(path, kEnvelopeMax);
  if (!text) return text.error();
  auto message = parse_portable(*text);
  if (!message) return Error{path + ": " + message.error().text};
  std::string content = path.substr(0, path.size() - 4) + "eml";
  Loaded loaded{message.take(), UniqueFd(::open(content.c_str(), O_RDONLY | O_CLOEXEC))};
  struct stat info {};
  if (!loaded.content || ::fstat(loaded.content.get(), &info) != 0)
    return system_error(content, errno);
  if (static_cast<std::uint64_t>(info.st_size) != loaded.message.size)
    return Error{
        fmt::format("{}: {} bytes instead of {}", content, info.st_size, loaded.message.size)};
  return loaded;
}

SubmissionSource source_of(const Loaded& loaded, bool hold, bool any_held) {
  const PortableMessage& message = loaded.message;
  SubmissionSource source;
  source.id = message.id;
  source.envelope = message.envelope;
  source.arrival = message.arrival;
  source.size_max = message.size;
  source.restore = ipc::Restore{message.id, message.kind,
                                hold       ? kHeldHere
                                : any_held ? kHeldThere
                                           : ""};
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
    Json request = {{"command", "queue release"},
                    {"filter",
                     {{"id", message.id.text()},
                      {"recipient", message.envelope.recipients[i].address.text()}}}};
    // More files are still to be read, perhaps root's; the answer is not looked at.
    auto done = ask(config, request.dump(-1, ' ', false, Json::error_handler_t::replace),
                    [](const std::string&) {}, {.give_up_root = false});
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
Status import_one(const config::Config& config, const std::string& path,
                  const TransferOptions& transfer, Sums& sums) {
  auto loaded = load(path);
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
    fail(kExitTempFail, path + ": not accepted: " + reply->one_line());
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
  auto files = envelopes_in(transfer.folder);
  if (!files) return fail(files.error().code, files.error().text);
  Sums sums;
  Progress progress("imported", files->size());
  for (const std::string& path : *files) {
    Status done = import_one(*config, path, transfer, sums);
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
