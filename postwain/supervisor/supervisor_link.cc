#include "postwain/supervisor/supervisor_link.h"

#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/daemon/log_setup.h"
#include "common/log/log.h"
#include "postwain/checking/checked_config.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"
#include "postwain/process/version.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

constexpr Duration kOfferAtMost = std::chrono::seconds(20);

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What only a restart can change, because processes and sockets hold on to it.
std::vector<std::string> needs_restart(const config::Config& now, const config::Config& next) {
  std::vector<std::string> out;
  auto compare = [&](const char* key, bool same) {
    if (!same) out.push_back(std::string(key) + " changes only with a restart (stop, then run)");
  };
  compare("spool_dir", now.spool_dir == next.spool_dir);
  compare("runtime_dir", now.runtime_dir == next.runtime_dir);
  compare("drop_dir", now.drop_dir == next.drop_dir);
  compare("[queue] store", now.queue.store.address == next.queue.store.address);
  compare("[queue] node", now.queue.store.node == next.queue.store.node);
  compare("[users]", now.users == next.users);
  compare("[sandbox]", now.sandbox == next.sandbox);
  return out;
}

}  // namespace

SupervisorLink::SupervisorLink(net::Loop& loop, Supervisor& supervisor, std::string config_file)
    : loop_(loop),
      supervisor_(supervisor),
      config_file_(std::move(config_file)),
      offer_timer_(loop) {
  connect();
}

void SupervisorLink::connect() {
  link_ = std::make_unique<daemon::QmgrLink>(
      loop_, supervisor_.loaded().config.qmgr_socket(), ipc::Role::supervisor, "supervisor",
      daemon::QmgrLink::Callbacks{
          .on_up = [this](const ipc::Welcome&) { send_processes(); },
          .on_down =
              [this](const std::string&) {
                if (offer_request_ != 0)
                  offered(kExitTempFail, R"({"error":"qmgr went away during the reload"})");
              },
          .on_frame = [this](ipc::FrameType type,
                             std::string_view payload) { return frame(type, payload); },
          .on_drained = {},
      });
}

SupervisorLink::~SupervisorLink() = default;

void SupervisorLink::close() {
  link_.reset();
  offer_timer_.stop();
}

void SupervisorLink::send_processes() {
  if (link_ == nullptr) return;
  // A new qmgr is there; the link's own next try may be a second away.
  if (!link_->up() && supervisor_.qmgr_ready()) connect();
  if (!link_->up()) return;
  Json list = Json::array();
  for (const ProcessInfo& process : supervisor_.processes())
    list.push_back({{"name", process.name}, {"pid", process.pid}});
  Json certificates = Json::array();
  for (const CertificateState& one : supervisor_.certificates())
    certificates.push_back({{"file", one.file}, {"not_after_ms", to_unix_ms(one.not_after)}});
  using Argument = ipc::CommandArgument;
  OperatorRequest message(ipc::OperatorCommand::processes);
  message.with(Argument::certificates, certificates)
      .with(Argument::certificate_trouble, supervisor_.certificate_trouble())
      .with(Argument::trouble, supervisor_.troubles())
      .with(Argument::state, supervisor_.draining() ? "draining" : "running")
      .with(Argument::version, kVersion)
      .with(Argument::processes, list);
  link_->send(ipc::ControlRequest{next_request_++, message.text()});
}

bool SupervisorLink::frame(ipc::FrameType type, std::string_view payload) {
  if (type == ipc::FrameType::control_request) {
    ipc::ControlRequest request;
    if (!ipc::decode(payload, request)) return false;
    asked(request.request, request.json);
    return true;
  }
  if (type == ipc::FrameType::control_reply) {
    ipc::ControlReply reply;
    if (!ipc::decode(payload, reply)) return false;
    if (reply.request == offer_request_ && offer_request_ != 0)
      offered(reply.exit_code, reply.json);
    return true;
  }
  // Admission and the like are for others.
  return true;
}

void SupervisorLink::asked(std::uint64_t request, const std::string& text) {
  Answer answer = [this, request](int exit_code, const std::string& json) {
    if (link_ != nullptr && link_->up())
      link_->send(ipc::ControlReply{request, true, static_cast<std::uint8_t>(exit_code), json});
  };
  std::string word = raw_member(parse_answer(text), "command");
  const ipc::OperatorCommandInfo* info = ipc::find_operator_command(word);
  if (info != nullptr && info->command == ipc::OperatorCommand::stop) {
    log::Line(log::Level::info, "asked").kv("command", word);
    answer(kExitOk, R"({"ok":true})");
    supervisor_.drain();
  } else if (info != nullptr && info->command == ipc::OperatorCommand::reload) {
    reload(std::move(answer));
  } else {
    answer(kExitUsage, to_text({{"error", "the supervisor does not know this command"}}));
  }
}

void SupervisorLink::reload_by_signal() {
  reload([](int, const std::string&) {});
}

void SupervisorLink::reload(Answer answer) {
  if (supervisor_.draining())
    return answer(kExitTempFail, R"({"error":"postwain is being stopped"})");
  if (answer_) return answer(kExitTempFail, R"({"error":"a reload is under way"})");
  answer_ = std::move(answer);
  supervisor_.reload_began();
  config::Loaded loaded = load_checked(config_file_);
  std::vector<std::string> problems;
  for (const config::Diagnostic& diagnostic : loaded.diagnostics)
    problems.push_back(diagnostic.text());
  if (problems.empty()) problems = needs_restart(supervisor_.loaded().config, loaded.config);
  if (problems.empty())
    if (Status bound = supervisor_.bind_new(loaded.config); !bound)
      problems.push_back(bound.error().text);
  if (!problems.empty())
    return finish_reload(
        kExitConfig, to_text({{"error", "the new configuration is not used; the old one goes on"},
                              {"diagnostics", problems}}));
  offer(std::move(loaded));
}

// qmgr first: a mistake only it can see must not leave the others on a new configuration.
void SupervisorLink::offer(config::Loaded loaded) {
  offered_ = std::move(loaded);
  offer_request_ = next_request_++;
  // A qmgr that is just being started again reads the new configuration anyway.
  if (!link_->up()) return offered(kExitOk, R"({"ok":true})");
  std::string bundle = config::encode_bundle(bundle_for(Kind::qmgr, offered_));
  if (!link_->try_send(ipc::ConfigUpdate{offer_request_, std::move(bundle)}))
    return offered(kExitConfig,
                   R"({"error":"the configuration and its files are too large for a reload )"
                   R"((8 MiB): restart instead"})");
  offer_timer_.start(kOfferAtMost,
                     [this] { offered(kExitTempFail, R"({"error":"qmgr does not answer"})"); });
}

void SupervisorLink::offered(int exit_code, const std::string& json) {
  offer_request_ = 0;
  offer_timer_.stop();
  if (exit_code == kExitOk && !supervisor_.draining()) {
    Json warnings = Json::array();
    for (const config::Diagnostic& warning : offered_.warnings) {
      log::Line(log::Level::warning, "config").kv("message", warning.text());
      warnings.push_back(warning.text());
    }
    daemon::setup_log("supervisor", offered_.config.log);
    supervisor_.replace(std::move(offered_));
    return finish_reload(kExitOk, to_text({{"ok", true}, {"warnings", warnings}}));
  }
  supervisor_.forget_new();
  finish_reload(exit_code == kExitOk ? kExitTempFail : exit_code, json);
}

void SupervisorLink::finish_reload(int exit_code, const std::string& json) {
  offered_ = {};
  supervisor_.reload_ended();
  if (exit_code == kExitOk) {
    log::Line(log::Level::info, "reloaded").kv("config", config_file_);
  } else {
    Json problem = parse_answer(json);
    log::Line(log::Level::error, "reload_refused")
        .kv("reason", error_member(problem, "qmgr gives no reason"));
    for (const std::string& line : texts_member(problem, "diagnostics"))
      log::Line(log::Level::error, "config").kv("message", line);
  }
  Answer answer = std::move(answer_);
  answer_ = nullptr;
  answer(exit_code, json);
}

}  // namespace postwain::tool
