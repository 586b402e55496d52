#include <algorithm>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/mail/queue_id.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"
#include "postwain/client/progress.h"
#include "postwain/commands/portable.h"
#include "postwain/commands/transfer_command.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;
using Command = ipc::OperatorCommand;

OperatorRequest asking(Command command, const Json& filter) {
  OperatorRequest request(command);
  request.with(ipc::CommandArgument::filter, filter);
  return request;
}

UniqueFd new_file(int folder, const std::string& name) {
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  return UniqueFd(::openat(folder, name.c_str(), kNew, 0600));
}

Status write_file(int folder, const std::string& name, std::string_view bytes) {
  UniqueFd fd = new_file(folder, name);
  if (!fd) return system_error(name, errno);
  if (Status s = write_all(fd.get(), bytes); !s) return s;
  if (::fsync(fd.get()) != 0) return system_error(name, errno);
  return {};
}

class Exporter {
 public:
  explicit Exporter(const config::Config& config, int folder) : config_(config), folder_(folder) {}

  // One question; its JSON answers in order. The error has qmgr's words and code.
  Result<std::vector<Json>> answers(const OperatorRequest& request) const {
    std::vector<Json> out;
    // From then on the folder is the queue's user's, and so are we.
    auto enter = [this](const net::PeerCredentials& server) -> Status {
      if (::geteuid() == 0 && ::fchown(folder_, server.uid, server.gid) != 0)
        return system_error("the new folder", errno);
      return {};
    };
    auto code = ask(config_, request.text(),
                    [&out](const std::string& text) {
                      Json one = parse_answer(text);
                      if (!one.empty()) out.push_back(std::move(one));
                    },
                    {.before_giving_up = enter});
    if (!code) return code.error();
    if (*code == kExitOk) return out;
    return Error{out.empty() ? "refused" : error_member(out.back(), "refused"), *code};
  }

  // False: it has left the queue meanwhile.
  Result<bool> write(mail::QueueId id, const Json& wanted, const Json& former_states) {
    auto shown = answers(asking(Command::queue_show, wanted));
    if (!shown && shown.error().code == kExitNoInput) return false;
    if (!shown) return shown.error();
    Json message = Json::object();
    for (Json& part : *shown) {
      if (!part.contains("recipients")) continue;
      if (message.empty() && !part.contains("continued")) {
        message = std::move(part);
        continue;
      }
      for (const Json& recipient : list_member(part, "recipients"))
        message["recipients"].push_back(recipient);
    }
    if (message.empty()) return false;
    if (raw_member(message, "id") != id.text() || !message["recipients"].is_array())
      return Error{"qmgr's answer is not about " + id.text(), kExitProtocol};
    for (Json& recipient : message["recipients"]) {
      if (!recipient.is_object()) continue;
      auto former = former_states.find(raw_member(recipient, "address"));
      if (former != former_states.end()) recipient["state"] = *former;
    }
    return write_pair(id, message);
  }

 private:
  Result<bool> write_pair(mail::QueueId id, const Json& message) {
    std::string base = id.text();
    auto size =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, number_member(message, "size")));
    Result<bool> content = write_content(base, base + ".eml", size);
    if (!content || !*content) return content;
    auto text = portable_text(message.dump(-1, ' ', false, Json::error_handler_t::replace));
    // The envelope last: a content without it is not imported.
    Status written = text ? write_file(folder_, base + ".json", *text) : Status(text.error());
    if (written) return true;
    for (const char* end : {".eml", ".json"}) (void)::unlinkat(folder_, (base + end).c_str(), 0);
    return written.error();
  }

  // Whatever keeps it from being whole: nothing is left of it, since an empty or half file beside
  // the others looks like a message.
  Result<bool> write_content(const std::string& id, const std::string& path, std::uint64_t size) {
    UniqueFd fd = new_file(folder_, path);
    if (!fd) return system_error(path, errno);
    Result<bool> whole = copy_content(id, fd.get(), size);
    if (whole && *whole && ::fsync(fd.get()) != 0) whole = system_error(path, errno);
    if (!whole || !*whole) (void)::unlinkat(folder_, path.c_str(), 0);
    return whole;
  }

  Result<bool> copy_content(const std::string& id, int to, std::uint64_t size) const {
    std::uint64_t offset = 0;
    while (offset < size) {
      auto piece = answers(
          asking(Command::queue_content, {{"id", id}}).with(ipc::CommandArgument::offset, offset));
      if (!piece && piece.error().code == kExitNoInput) return false;
      if (!piece) return piece.error();
      auto bytes =
          piece->empty() ? std::nullopt : base64_decode(raw_member(piece->front(), "data"));
      if (!bytes || bytes->empty()) return Error{"qmgr gives no content of " + id, kExitIoError};
      if (Status s = write_all(to, *bytes); !s) return s.error();
      offset += bytes->size();
    }
    return true;
  }

  const config::Config& config_;
  int folder_;
};

// Files are named by what qmgr says, so it has to be a queue id.
struct Chosen {
  mail::QueueId id;
  Json states = Json::object();  // address: state, as it was before anything was held
};

Result<std::vector<Chosen>> choose(const Exporter& exporter, const QueueFilter& filter) {
  std::vector<Chosen> out;
  std::vector<std::string> ids = filter.ids;
  if (ids.empty()) ids.emplace_back();
  for (const std::string& id : ids) {
    auto listed = exporter.answers(asking(Command::queue_list, filter_json(filter, id)));
    if (!listed) return listed.error();
    for (const Json& part : *listed) {
      if (!part.contains("recipients")) continue;
      auto found = mail::QueueId::parse(raw_member(part, "id"));
      if (!found) return Error{"qmgr's answer names no queue id", kExitProtocol};
      if (out.empty() || out.back().id != *found) out.push_back({*found, Json::object()});
      for (const Json& recipient : list_member(part, "recipients"))
        out.back().states[raw_member(recipient, "address")] = raw_member(recipient, "state");
    }
  }
  return out;
}

Status act_on_all(const Exporter& exporter, Command action, const QueueFilter& filter) {
  std::vector<std::string> ids = filter.ids;
  if (ids.empty()) ids.emplace_back();
  for (const std::string& id : ids) {
    auto done = exporter.answers(asking(action, filter_json(filter, id)));
    if (!done) return done.error();
  }
  return {};
}

}  // namespace

int export_command(const ClientOptions& options, const QueueFilter& filter,
                   const TransferOptions& transfer) {
  if (int wrong = check_filter("queue export", true, filter); wrong != kExitOk) return wrong;
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  if (::mkdir(transfer.folder.c_str(), 0700) != 0)
    return fail(kExitCantCreate, system_error(transfer.folder, errno).text);
  UniqueFd folder(::open(transfer.folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return fail(kExitCantCreate, system_error(transfer.folder, errno).text);
  Exporter exporter(*config, folder.get());
  auto chosen = choose(exporter, filter);
  if (!chosen) return fail(chosen.error().code, chosen.error().text);
  auto held_is_held = [&](const Error& error) {
    return fail(
        error.code != 0 ? error.code : kExitIoError,
        error.text + (transfer.remove ? "; what was chosen is still queued, and held" : ""));
  };
  if (transfer.remove)
    if (Status s = act_on_all(exporter, Command::queue_hold, filter); !s)
      return fail(s.error().code, s.error().text);
  Progress progress("exported", chosen->size());
  std::size_t written = 0;
  std::size_t unreadable = 0;  // they stay, and keep nobody else
  std::vector<std::string> ids;
  for (const Chosen& one : *chosen) {
    Json wanted = filter_json(filter, one.id.text());
    wanted.erase("state");  // it may have changed
    auto done = exporter.write(one.id, wanted, one.states);
    if (!done && done.error().code != kExitIoError) return held_is_held(done.error());
    if (!done) ++unreadable, fail(kExitIoError, done.error().text);
    if (done && *done) ++written, ids.push_back(one.id.text());
    progress.step();
  }
  progress.end();
  if (::fsync(folder.get()) != 0) return held_is_held(system_error(transfer.folder, errno));
  if (transfer.remove) {
    QueueFilter exact = filter;
    exact.state.clear();
    exact.all = false;
    exact.ids = ids;
    if (!ids.empty())
      if (Status s = act_on_all(exporter, Command::queue_cancel, exact); !s)
        return held_is_held(s.error());
  }
  Json sums = {{"folder", transfer.folder},
               {"messages", written},
               {"gone", chosen->size() - written - unreadable},
               {"unreadable", unreadable},
               {"removed", transfer.remove}};
  if (options.json)
    print_json(sums.dump());
  else
    fmt::print("{} message{} exported to {}{}\n", written, written == 1 ? "" : "s", transfer.folder,
               transfer.remove ? " and removed from the queue" : "");
  return unreadable == 0 ? kExitOk : kExitIoError;
}

}  // namespace postwain::tool
