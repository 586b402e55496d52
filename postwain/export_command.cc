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
#include "common/base/text.h"
#include "postwain/control_client.h"
#include "postwain/portable.h"
#include "postwain/progress.h"
#include "postwain/transfer_command.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

Status write_file(const std::string& path, std::string_view bytes) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(path, errno);
  if (Status s = write_all(fd.get(), bytes); !s) return s;
  if (::fsync(fd.get()) != 0) return system_error(path, errno);
  return {};
}

class Exporter {
 public:
  Exporter(std::string socket, std::string folder)
      : socket_(std::move(socket)), folder_(std::move(folder)) {}

  // One question; its JSON answers in order. The error has qmgr's words and code.
  Result<std::vector<Json>> answers(const Json& request) const {
    std::vector<Json> out;
    auto code = ask(socket_, request.dump(-1, ' ', false, Json::error_handler_t::replace),
                    [&out](const std::string& text) {
                      Json one = Json::parse(text, nullptr, false);
                      if (one.is_object()) out.push_back(std::move(one));
                    });
    if (!code) return code.error();
    if (*code == kExitOk) return out;
    std::string why = out.empty() ? "refused" : out.back().value("error", std::string("refused"));
    return Error{why, *code};
  }

  // False: it has left the queue meanwhile.
  Result<bool> write(const std::string& id, const Json& wanted, const Json& former_states) {
    auto shown = answers({{"command", "queue show"}, {"filter", wanted}});
    if (!shown && shown.error().code == kExitNoInput) return false;
    if (!shown) return shown.error();
    Json message = Json::object();
    for (Json& part : *shown) {
      if (!part.contains("recipients")) continue;
      if (message.empty() && !part.contains("continued")) {
        message = std::move(part);
        continue;
      }
      for (Json& recipient : part["recipients"])
        message["recipients"].push_back(std::move(recipient));
    }
    if (message.empty()) return false;
    for (Json& recipient : message["recipients"]) {
      auto former = former_states.find(recipient.value("address", std::string()));
      if (former != former_states.end()) recipient["state"] = *former;
    }
    return write_pair(id, message);
  }

 private:
  Result<bool> write_pair(const std::string& id, const Json& message) {
    std::string base = folder_ + "/" + id;
    Result<bool> content =
        write_content(id, base + ".eml", message.value("size", std::uint64_t{0}));
    if (!content || !*content) return content;
    auto text = portable_text(message.dump(-1, ' ', false, Json::error_handler_t::replace));
    if (!text) return text.error();
    // The envelope last: a content without it is not imported.
    if (Status s = write_file(base + ".json", *text); !s) return s.error();
    return true;
  }

  Result<bool> write_content(const std::string& id, const std::string& path, std::uint64_t size) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return system_error(path, errno);
    std::uint64_t offset = 0;
    while (offset < size) {
      auto piece =
          answers({{"command", "queue content"}, {"filter", {{"id", id}}}, {"offset", offset}});
      if (!piece && piece.error().code == kExitNoInput) {
        ::unlink(path.c_str());
        return false;
      }
      if (!piece) return piece.error();
      auto bytes = piece->empty() ? std::nullopt
                                  : base64_decode(piece->front().value("data", std::string()));
      if (!bytes || bytes->empty()) return Error{"qmgr gives no content of " + id, kExitIoError};
      if (Status s = write_all(fd.get(), *bytes); !s) return s.error();
      offset += bytes->size();
    }
    if (::fsync(fd.get()) != 0) return system_error(path, errno);
    return true;
  }

  std::string socket_;
  std::string folder_;
};

struct Chosen {
  std::string id;
  Json states = Json::object();  // address: state, as it was before anything was held
};

Result<std::vector<Chosen>> choose(const Exporter& exporter, const QueueFilter& filter) {
  std::vector<Chosen> out;
  std::vector<std::string> ids = filter.ids;
  if (ids.empty()) ids.emplace_back();
  for (const std::string& id : ids) {
    auto listed = exporter.answers(
        {{"command", "queue list"}, {"filter", Json::parse(filter_text(filter, id))}});
    if (!listed) return listed.error();
    for (const Json& part : *listed) {
      std::string found = part.value("id", std::string());
      if (found.empty() || !part.contains("recipients")) continue;
      if (out.empty() || out.back().id != found) out.push_back({found, Json::object()});
      for (const Json& recipient : part["recipients"])
        out.back().states[recipient.value("address", std::string())] =
            recipient.value("state", std::string());
    }
  }
  return out;
}

Status act_on_all(const Exporter& exporter, const char* action, const QueueFilter& filter) {
  std::vector<std::string> ids = filter.ids;
  if (ids.empty()) ids.emplace_back();
  for (const std::string& id : ids) {
    auto done =
        exporter.answers({{"command", action}, {"filter", Json::parse(filter_text(filter, id))}});
    if (!done) return done.error();
  }
  return {};
}

}  // namespace

int export_command(const ClientOptions& options, const QueueFilter& filter,
                   const TransferOptions& transfer) {
  if (int wrong = check_filter("export", filter); wrong != kExitOk) return wrong;
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  if (::mkdir(transfer.folder.c_str(), 0700) != 0)
    return fail(kExitCantCreate, system_error(transfer.folder, errno).text);
  Exporter exporter(config->qmgr_socket(), transfer.folder);
  auto chosen = choose(exporter, filter);
  if (!chosen) return fail(chosen.error().code, chosen.error().text);
  auto held_is_held = [&](const Error& error) {
    return fail(
        error.code != 0 ? error.code : kExitIoError,
        error.text + (transfer.remove ? "; what was chosen is still queued, and held" : ""));
  };
  if (transfer.remove)
    if (Status s = act_on_all(exporter, "queue hold", filter); !s)
      return fail(s.error().code, s.error().text);
  Progress progress("exported", chosen->size());
  std::size_t written = 0;
  std::vector<std::string> ids;
  for (const Chosen& one : *chosen) {
    Json wanted = Json::parse(filter_text(filter, one.id));
    wanted.erase("state");  // it may have changed
    auto done = exporter.write(one.id, wanted, one.states);
    if (!done) return held_is_held(done.error());
    if (*done) ++written, ids.push_back(one.id);
    progress.step();
  }
  progress.end();
  if (Status s = sync_folder(transfer.folder); !s) return held_is_held(s.error());
  if (transfer.remove) {
    QueueFilter exact = filter;
    exact.state.clear();
    exact.all = false;
    exact.ids = ids;
    if (!ids.empty())
      if (Status s = act_on_all(exporter, "queue cancel", exact); !s)
        return held_is_held(s.error());
  }
  Json sums = {{"folder", transfer.folder},
               {"messages", written},
               {"gone", chosen->size() - written},
               {"removed", transfer.remove}};
  if (options.json)
    fmt::print("{}\n", sums.dump());
  else
    fmt::print("{} message{} exported to {}{}\n", written, written == 1 ? "" : "s", transfer.folder,
               transfer.remove ? " and removed from the queue" : "");
  return kExitOk;
}

}  // namespace postwain::tool
