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
#include "common/daemon/ipc_connection.h"
#include "postwain/process/trouble_file.h"
#include "postwain/process/trust.h"

namespace postwain::tool {

namespace {

constexpr Duration kAnswerSilenceMax = std::chrono::seconds(60);
constexpr Duration kWelcomeMax = std::chrono::seconds(20);
constexpr std::uint64_t kRequest = 1;

class Dialog {
 public:
  Dialog(const config::Config& config, const std::string& request,
         const std::function<void(const std::string&)>& on_reply, AskOptions options)
      : config_(config),
        request_(request),
        on_reply_(on_reply),
        options_(std::move(options)),
        name_(operator_name()),
        silence_(loop_) {}

  Result<int> run() {
    connecting_ = net::Stream::connect(loop_, net::Endpoint{{}, 0, config_.qmgr_socket()}, {},
                                       [this](Status status) { connected(status); });
    watch_silence();
    if (!result_) loop_.run();
    connection_.reset();
    connecting_.reset();
    silence_.stop();
    return *result_;
  }

 private:
  void connected(const Status& status) {
    if (!status) return finish(not_reachable(config_.qmgr_socket(), status.error()));
    if (Status safe = meet(connecting_.peer_credentials()); !safe) return finish(safe.error());
    connection_ = std::make_unique<daemon::IpcConnection>(
        loop_, std::move(connecting_),
        daemon::IpcConnection::Callbacks{
            .on_frame = [this](ipc::FrameType type,
                               std::string_view payload) { return frame(type, payload); },
            .on_closed = [this](const std::string& why) { closed(why); },
            .on_drained = {},
        });
    connection_->send(ipc::Hello{ipc::kProtocolVersion, ipc::Role::control,
                                 static_cast<std::uint32_t>(::getpid()), name_});
  }

  // Before a word is said or read.
  Status meet(const std::optional<net::PeerCredentials>& server) {
    if (Status known = check_server(config_, server); !known) return known;
    if (options_.before_giving_up)
      if (Status done = options_.before_giving_up(*server); !done) return done;
    return options_.give_up_root ? give_up_root_for(*server) : Status{};
  }

  bool frame(ipc::FrameType type, std::string_view payload) {
    watch_silence();
    if (type == ipc::FrameType::welcome) {
      ipc::Welcome welcome;
      if (!ipc::decode(payload, welcome)) return false;
      welcome_ = true;
      watch_silence();
      connection_->send(ipc::ControlRequest{kRequest, request_});
      return true;
    }
    if (type != ipc::FrameType::control_reply) return true;
    ipc::ControlReply reply;
    if (!ipc::decode(payload, reply)) return false;
    if (!reply.json.empty()) on_reply_(reply.json);
    if (reply.last) finish(static_cast<int>(reply.exit_code));
    return true;
  }

  void closed(const std::string& why) {
    if (!welcome_)
      return finish(
          Error{"qmgr refuses this command: it is for root and the queue's user; who is in a group "
                "that [control] viewers names may look (or postwain's version is another one)",
                kExitNoPermission});
    finish(Error{"qmgr ended the connection" + (why.empty() ? "" : ": " + why), kExitTempFail});
  }

  void watch_silence() {
    if (options_.endless && welcome_) return silence_.stop();
    silence_.start(welcome_ ? kAnswerSilenceMax : kWelcomeMax, [this] {
      finish(Error{welcome_ ? "qmgr does not answer"
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
  const std::string name_;
  net::Loop loop_;
  net::Timer silence_;
  net::Stream connecting_;
  std::unique_ptr<daemon::IpcConnection> connection_;
  std::optional<Result<int>> result_;
  bool welcome_ = false;
};

}  // namespace

Error not_reachable(const std::string& socket, const Error& error) {
  std::string detail = " (" + socket + ": " + error.text + ")";
  switch (error.code) {
    case ENOENT:
    case ECONNREFUSED:
      if (auto told = read_troubles(socket.substr(0, socket.rfind('/'))))
        return Error{"postwain runs, but its queue manager is not there at the moment: " +
                         (told->empty() ? "its log says why" : *told) + detail,
                     kExitTempFail};
      return Error{"postwain is not running" + detail, kExitTempFail};
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
