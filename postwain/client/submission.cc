#include "postwain/client/submission.h"

#include <memory>
#include <optional>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "common/daemon/qmgr_connection.h"
#include "postwain/client/control_client.h"
#include "postwain/process/trust.h"

namespace postwain::tool {

namespace {

// A commit can wait for a busy disk; after this the caller should try again.
constexpr Duration kSubmissionSilenceMax = std::chrono::minutes(5);

using End = daemon::QmgrConnection::End;

class Submission {
 public:
  // config: to know ours by; null: whoever listens is believed.
  Submission(const SubmissionSource& source, const config::Config* config)
      : source_(source), config_(config), silence_(loop_) {}

  Result<mail::Reply> run(const std::string& socket) {
    socket_ = socket;
    ipc::Role role = source_.queue_import ? ipc::Role::queue_import
                     : source_.owner      ? ipc::Role::pickup
                                          : ipc::Role::sendmail;
    connection_ = std::make_unique<daemon::QmgrConnection>(
        loop_,
        daemon::QmgrConnection::Settings{
            .socket_path = socket_, .role = role, .name = std::string(ipc::name_of(role))},
        daemon::QmgrConnection::Callbacks{
            .check = [this](const auto& server) { return meet(server); },
            .on_welcome = [this](const ipc::Welcome& welcome) { welcomed(welcome); },
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
  Status meet(const std::optional<net::PeerCredentials>& server) {
    return config_ == nullptr ? Status{} : check_server(*config_, server);
  }

  void ended(End how, const Error& error) {
    if (how == End::unreachable) return finish(not_reachable(socket_, error));
    if (how == End::untrusted) return finish(error);
    finish(Error{"qmgr went away" + (error.text.empty() ? "" : ": " + error.text), kExitTempFail});
  }

  void welcomed(const ipc::Welcome& welcome) {
    watch_silence();
    id_ = source_.id.value != 0 ? source_.id : mail::QueueIdSource(welcome.worker).next(wall_now());
  }

  bool frame(ipc::FrameType type, std::string_view payload) {
    watch_silence();
    if (type == ipc::FrameType::admission && !begun_) {
      ipc::Admission admission;
      if (!ipc::decode(payload, admission)) return false;
      begun_ = admission.accepting;
      if (begun_)
        begin();
      else if (admission.refusal.code == 452)  // no room, and so none elsewhere on this machine
        finish(admission.refusal);
      else
        finish(Error{admission.refusal.one_line(), kExitTempFail});
      return true;
    }
    if (type == ipc::FrameType::chunks_stored) {
      ipc::ChunksStored stored;
      if (!ipc::decode(payload, stored)) return false;
      stored_ = stored.bytes;
      if (opened_ && !ended_) pump();
      return true;
    }
    if (type == ipc::FrameType::submit_result) {
      ipc::SubmitResult result;
      if (!ipc::decode(payload, result)) return false;
      finish(result.reply);
      return true;
    }
    return true;
  }

  void begin() {
    if (source_.queue_import) connection_->ipc().send(*source_.queue_import);
    if (source_.owner) connection_->ipc().send(ipc::DropOwner{id_, *source_.owner});
    if (auto decided = ipc::decided_in(id_, source_.envelope))
      if (!connection_->ipc().try_send(*decided)) return too_large_envelope();
    buffer_ = source_.head(id_);
    if (!fill(ipc::kInlineContentMax)) return;
    if (end_of_input_ && buffer_.size() <= ipc::kInlineContentMax) {
      ended_ = true;
      if (!connection_->ipc().try_send(
              ipc::Submit{id_, 1, source_.envelope, source_.arrival, source_.eight_bit(), buffer_}))
        too_large_envelope();
      return;
    }
    if (!connection_->ipc().try_send(ipc::SubmitOpen{id_, source_.envelope, source_.arrival}))
      return too_large_envelope();
    opened_ = true;
    pump();
  }

  // Reads until more than `enough` bytes wait; false when the message had to be given up.
  bool fill(std::size_t enough) {
    while (!end_of_input_ && buffer_.size() <= enough) {
      Result<bool> more = source_.more(buffer_);
      if (!more) return give_up(more.error());
      end_of_input_ = !*more;
      if (sent_ + buffer_.size() > source_.size_max)
        return give_up(
            Error{fmt::format("the message is larger than the {} bytes this system takes",
                              source_.size_max),
                  kExitDataError});
    }
    return true;
  }

  void too_large_envelope() {
    finish(Error{fmt::format("the message has more recipients ({}) than one submission can carry",
                             source_.envelope.recipients.size()),
                 kExitDataError});
  }

  bool give_up(const Error& error) {
    if (opened_) connection_->ipc().send(ipc::SubmitAbort{id_});
    connection_->ipc().flush();
    finish(error);
    return false;
  }

  void pump() {
    while (sent_ - stored_ < ipc::kSubmitWindow) {
      if (!fill(ipc::kContentChunk)) return;
      std::size_t size = std::min(buffer_.size(), ipc::kContentChunk);
      if (size > 0) {
        connection_->ipc().send(ipc::SubmitChunk{id_, std::string_view(buffer_).substr(0, size)});
        sent_ += size;
        buffer_.erase(0, size);
      }
      if (buffer_.empty() && end_of_input_) {
        ended_ = true;
        connection_->ipc().send(ipc::SubmitEnd{id_, 1, source_.eight_bit(), sent_});
        return;
      }
    }
  }

  void watch_silence() {
    silence_.start(kSubmissionSilenceMax, [this] {
      finish(Error{"qmgr does not answer", kExitTempFail});
    });
  }

  void finish(Result<mail::Reply> result) {
    if (!result_) result_ = std::move(result);
    loop_.stop();
  }

  const SubmissionSource& source_;
  const config::Config* config_;
  std::string socket_;
  net::Loop loop_;
  net::Timer silence_;
  std::unique_ptr<daemon::QmgrConnection> connection_;
  std::optional<Result<mail::Reply>> result_;
  mail::QueueId id_;
  std::string buffer_;  // content read and not sent
  std::uint64_t sent_ = 0;
  std::uint64_t stored_ = 0;
  bool begun_ = false;  // qmgr has said that it takes new messages
  bool opened_ = false;
  bool ended_ = false;
  bool end_of_input_ = false;
};

}  // namespace

Result<mail::Reply> submit(const std::string& socket, const SubmissionSource& source) {
  return Submission(source, nullptr).run(socket);
}

Result<mail::Reply> submit(const config::Config& config, const SubmissionSource& source) {
  return Submission(source, &config).run(config.qmgr_socket());
}

}  // namespace postwain::tool
