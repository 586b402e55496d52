#include "postwain/client/submission.h"

#include <memory>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "common/daemon/ipc_connection.h"
#include "postwain/client/control_client.h"
#include "postwain/process/trust.h"

namespace postwain::tool {

namespace {

// A commit can wait for a busy disk; after this the caller should try again.
constexpr Duration kSubmissionSilenceMax = std::chrono::minutes(5);

class Submission {
 public:
  // config: to know ours by; null: whoever listens is believed.
  Submission(const SubmissionSource& source, const config::Config* config)
      : source_(source), config_(config), silence_(loop_) {}

  Result<mail::Reply> run(const std::string& socket) {
    socket_ = socket;
    connecting_ = net::Stream::connect(loop_, net::Endpoint{{}, 0, socket}, {},
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
    if (!status) return finish(not_reachable(socket_, status.error()));
    if (config_ != nullptr)
      if (Status ours = check_server(*config_, connecting_.peer_credentials()); !ours)
        return finish(ours.error());
    connection_ = std::make_unique<daemon::IpcConnection>(
        loop_, std::move(connecting_),
        daemon::IpcConnection::Callbacks{
            .on_frame = [this](ipc::FrameType type,
                               std::string_view payload) { return frame(type, payload); },
            .on_closed =
                [this](const std::string& why) {
                  finish(Error{"qmgr went away" + (why.empty() ? "" : ": " + why), kExitTempFail});
                },
            .on_drained = {},
        });
    ipc::Role role = source_.queue_import ? ipc::Role::queue_import
                     : source_.owner      ? ipc::Role::pickup
                                          : ipc::Role::sendmail;
    connection_->send(ipc::Hello{ipc::kProtocolVersion, role,
                                 static_cast<std::uint32_t>(::getpid()),
                                 std::string(ipc::name_of(role))});
  }

  bool frame(ipc::FrameType type, std::string_view payload) {
    watch_silence();
    if (type == ipc::FrameType::welcome) {
      ipc::Welcome welcome;
      if (!ipc::decode(payload, welcome)) return false;
      id_ =
          source_.id.value != 0 ? source_.id : mail::QueueIdSource(welcome.worker).next(wall_now());
      return true;
    }
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
    if (source_.queue_import) connection_->send(*source_.queue_import);
    if (source_.owner) connection_->send(ipc::DropOwner{id_, *source_.owner});
    if (auto decided = ipc::decided_in(id_, source_.envelope))
      if (!connection_->try_send(*decided)) return too_large_envelope();
    buffer_ = source_.head(id_);
    if (!fill(ipc::kInlineContentMax)) return;
    if (end_of_input_ && buffer_.size() <= ipc::kInlineContentMax) {
      ended_ = true;
      if (!connection_->try_send(
              ipc::Submit{id_, 1, source_.envelope, source_.arrival, source_.eight_bit(), buffer_}))
        too_large_envelope();
      return;
    }
    if (!connection_->try_send(ipc::SubmitOpen{id_, source_.envelope, source_.arrival}))
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
    if (opened_) connection_->send(ipc::SubmitAbort{id_});
    connection_->flush();
    finish(error);
    return false;
  }

  void pump() {
    while (sent_ - stored_ < ipc::kSubmitWindow) {
      if (!fill(ipc::kContentChunk)) return;
      std::size_t size = std::min(buffer_.size(), ipc::kContentChunk);
      if (size > 0) {
        connection_->send(ipc::SubmitChunk{id_, std::string_view(buffer_).substr(0, size)});
        sent_ += size;
        buffer_.erase(0, size);
      }
      if (buffer_.empty() && end_of_input_) {
        ended_ = true;
        connection_->send(ipc::SubmitEnd{id_, 1, source_.eight_bit(), sent_});
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
  net::Stream connecting_;
  std::unique_ptr<daemon::IpcConnection> connection_;
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
