#include "postwain/sendmail/sendmail_session.h"

#include <cerrno>

#include <unistd.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/content/content_fields.h"
#include "common/content/header_form.h"
#include "common/smtp/server/server_engine.h"
#include "postwain/client/submission.h"
#include "postwain/sendmail/local_header.h"
#include "postwain/sendmail/local_input.h"

namespace postwain::tool {

namespace {

smtp::ServerOptions options_of(const config::Config& config) {
  smtp::ServerOptions options;
  options.hostname = config.hostname;
  options.message_size = config.limits.message_size;
  options.recipients = config.limits.recipients;
  options.errors = config.limits.errors;
  return options;
}

class StandardSession {
 public:
  StandardSession(const config::Config& config, std::string account)
      : config_(config), account_(std::move(account)), engine_(options_of(config)) {}

  int run() {
    engine_.begin();
    char block[32768];
    while (obey()) {
      ssize_t n = 0;
      do n = ::read(STDIN_FILENO, block, sizeof block);
      while (n < 0 && errno == EINTR);
      if (n <= 0) return n == 0 ? kExitOk : kExitIoError;
      engine_.receive(std::string_view(block, static_cast<std::size_t>(n)));
    }
    return gone_ ? kExitIoError : kExitOk;
  }

 private:
  // All that can be done with what has come; false: the session is over.
  bool obey() {
    for (;;) {
      smtp::Event event = engine_.next(content_);
      if (event.kind == smtp::EventKind::close) return say(), false;
      if (event.kind == smtp::EventKind::need_more) return say();
      answer(event.kind);
    }
  }

  bool say() {
    gone_ = !write_all(STDOUT_FILENO, engine_.output()).ok();
    engine_.output().clear();
    return !gone_;
  }

  void answer(smtp::EventKind question) {
    switch (question) {
      case smtp::EventKind::hello:
        return engine_.answer({250, {}, {}});
      case smtp::EventKind::mail:
        return engine_.answer({250, {2, 1, 0}, "Ok"});
      case smtp::EventKind::rcpt:
        return engine_.answer({250, {2, 1, 5}, "Ok"});
      case smtp::EventKind::data:
        envelope_ = engine_.take_envelope();
        return engine_.answer({354, {}, "End data with <CR><LF>.<CR><LF>"});
      case smtp::EventKind::content_end:
        engine_.answer(hand_over());
        return content_.clear();
      case smtp::EventKind::content_refused:
      case smtp::EventKind::reset:
        return content_.clear();
      default:  // nothing else is offered
        return;
    }
  }

  mail::Reply hand_over() {
    std::size_t from = 0;
    mail::HeaderEnd end = mail::find_header_end(content_, from, true);
    std::string header = content_.substr(0, end.found ? end.header : content_.size());
    bool binary = envelope_.body == mail::BodyType::binary_mime;
    if (binary && mail::has_lone_line_end(header))
      return {550, {5, 6, 11}, "Error: lone CR or LF in header section"};
    mail::Hops hops = mail::count_hops(header, config_.hostname);
    if (hops.all >= config_.limits.hops || hops.own >= config_.limits.own_hops)
      return {554, {5, 4, 6}, "Error: too many hops, mail loop"};
    std::string_view body =
        std::string_view(content_).substr(end.found ? end.body : content_.size());
    envelope_.tls_required_no = !envelope_.require_tls && mail::tls_required_no(header);
    SubmissionSource source;
    source.envelope = std::move(envelope_);
    source.arrival = ipc::Arrival{"local", {}, engine_.hello_name(), account_, wall_now()};
    source.size_max = UINT64_MAX;  // the engine has seen to it
    source.eight_bit = [this] { return !is_ascii(content_); };
    source.head = [&](mail::QueueId id) {
      const mail::Address& sender = source.envelope.reverse_path;
      LocalOrigin origin{
          id,
          source.arrival.received_at,
          config_.hostname,
          config_.addresses.origin,
          sender.is_null() ? account_ + "@" + config_.addresses.origin : sender.text(),
          {}};
      return complete_header(header, origin);
    };
    source.more = [&body](std::string& out) -> Result<bool> {
      out += body;
      body = {};
      return false;
    };
    auto reply = submit(config_, source);
    return reply ? *reply : mail::Reply{451, {4, 3, 0}, "Queue unavailable, try again later"};
  }

  const config::Config& config_;
  std::string account_;
  smtp::ServerEngine engine_;
  mail::Envelope envelope_;
  std::string content_;
  bool gone_ = false;  // nobody reads what we say
};

}  // namespace

int serve_standard_input(const config::Config& config, const std::string& account) {
  return StandardSession(config, account).run();
}

}  // namespace postwain::tool
