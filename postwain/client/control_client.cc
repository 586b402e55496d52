#include "postwain/client/control_client.h"

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>

#include <pwd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "common/daemon/qmgr_connection.h"
#include "postwain/client/running.h"
#include "postwain/process/trouble_file.h"
#include "postwain/process/trust.h"

namespace postwain::tool {

namespace {

constexpr Duration kAnswerSilenceMax = std::chrono::seconds(60);
constexpr Duration kWelcomeMax = std::chrono::seconds(20);
constexpr std::uint64_t kRequest = 1;

using End = daemon::QmgrConnection::End;

class Dialog {
 public:
  Dialog(const config::Config& config, const std::string& request,
         const std::function<void(const std::string&)>& on_reply, AskOptions options)
      : config_(config),
        request_(request),
        on_reply_(on_reply),
        options_(std::move(options)),
        silence_(loop_) {}

  Result<int> run() {
    connection_ = std::make_unique<daemon::QmgrConnection>(
        loop_,
        daemon::QmgrConnection::Settings{.socket_path = config_.qmgr_socket(),
                                         .role = ipc::Role::control,
                                         .name = operator_name()},
        daemon::QmgrConnection::Callbacks{
            .check = [this](const auto& server) { return meet(server); },
            .on_welcome =
                [this](const ipc::Welcome&) {
                  watch_silence();
                  connection_->ipc().send(ipc::ControlRequest{kRequest, request_});
                },
            .on_frame = [this](ipc::FrameType type,
                               std::string_view payload) { return frame(type, payload); },
            .on_end = [this](End how, const Error& error) { ended(how, error); },
        });
    watch_silence();
    if (!result_) loop_.run();
    connection_.reset();
    silence_.stop();
    return *result_;
  }

 private:
  // Before a word is said or read.
  Status meet(const std::optional<net::PeerCredentials>& server) {
    if (Status known = check_server(config_, server); !known) return known;
    if (options_.before_giving_up)
      if (Status done = options_.before_giving_up(*server); !done) return done;
    return options_.give_up_root ? give_up_root_for(*server) : Status{};
  }

  bool frame(ipc::FrameType type, std::string_view payload) {
    watch_silence();
    if (type != ipc::FrameType::control_reply) return true;
    ipc::ControlReply reply;
    if (!ipc::decode(payload, reply)) return false;
    if (!reply.json.empty()) on_reply_(reply.json);
    if (reply.last) finish(static_cast<int>(reply.exit_code));
    return true;
  }

  void ended(End how, const Error& error) {
    switch (how) {
      case End::unreachable:
        return finish(not_reachable(config_.qmgr_socket(), error));
      case End::untrusted:
        return finish(error);
      case End::refused:
        return finish(
            Error{"qmgr refuses this command: it is for root and the queue's user; who is in a "
                  "group that [control] viewers names may look (or postwain's version is another "
                  "one)",
                  kExitNoPermission});
      case End::lost:
        return finish(
            Error{"qmgr ended the connection" + (error.text.empty() ? "" : ": " + error.text),
                  kExitTempFail});
    }
  }

  void watch_silence() {
    bool welcomed = connection_->welcomed();
    if (options_.endless && welcomed) return silence_.stop();
    silence_.start(welcomed ? kAnswerSilenceMax : kWelcomeMax, [this, welcomed] {
      finish(Error{welcomed ? "qmgr does not answer"
                            : "qmgr does not answer: it is stopped or very busy, or can take no "
                              "more connections (cannot_accept in its log)",
                   kExitTempFail});
    });
  }

  void finish(Result<int> result) {
    if (!result_) result_ = std::move(result);
    loop_.stop();
  }

  const config::Config& config_;
  const std::string& request_;
  const std::function<void(const std::string&)>& on_reply_;
  const AskOptions options_;
  net::Loop loop_;
  net::Timer silence_;
  std::unique_ptr<daemon::QmgrConnection> connection_;
  std::optional<Result<int>> result_;
};

}  // namespace

Error not_reachable(const std::string& socket, const Error& error) {
  std::string detail = " (" + socket + ": " + error.text + ")";
  switch (error.code) {
    case ENOENT:
    case ECONNREFUSED: {
      std::string runtime_dir = socket.substr(0, socket.rfind('/'));
      if (!running_supervisor(runtime_dir))
        return Error{"postwain is not running" + detail, kExitUnavailable};
      std::string told = read_troubles(runtime_dir);
      return Error{"postwain runs, but its queue manager is not there at the moment: " +
                       (told.empty() ? "its log says why" : told) + detail,
                   kExitTempFail};
    }
    case EACCES:
    case EPERM:
      return Error{"no permission to reach postwain" + detail, kExitNoPermission};
    default:
      return Error{"postwain cannot be reached" + detail, kExitTempFail};
  }
}

Result<int> ask(const config::Config& config, const std::string& request,
                const std::function<void(const std::string& json)>& on_reply, AskOptions options) {
  return Dialog(config, request, on_reply, std::move(options)).run();
}

namespace {

std::string find_operator_name() {
  const char* behind_sudo = std::getenv("SUDO_USER");
  if (::getuid() == 0 && behind_sudo != nullptr && *behind_sudo != 0) return behind_sudo;
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(64 << 10);
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr)
    return found->pw_name;
  return fmt::format("uid {}", ::getuid());
}

}  // namespace

// Found once: a second question may be asked by somebody who is root no more.
std::string operator_name() {
  static const std::string kName = find_operator_name();
  return kName;
}

}  // namespace postwain::tool
