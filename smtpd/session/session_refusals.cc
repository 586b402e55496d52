// The part of a session that tells what was refused, and why: each refusal is a line of the log
// that an operator can find when somebody asks for his mail.
#include "common/config/config.h"
#include "common/log/log.h"
#include "smtpd/session/session.h"

namespace postwain::smtpd {

namespace {

// So many refusals are logged one by one until a message is accepted; the others are counted.
constexpr std::uint32_t kRefusalsLogged = 50;

}  // namespace

bool Session::may_log_refusal() {
  if (++refusals_logged_ <= kRefusalsLogged) return true;
  ++refusals_left_out_;
  return false;
}

void Session::log_refused(std::string_view stage, const mail::Reply& reply,
                          std::string_view recipient, std::string_view reason,
                          const config::Origin* origin) {
  note_refusal(stage, reply, in_transaction_ ? sender_ : engine_.mail().reverse_path.text(),
               recipient, reason);
  if (!may_log_refusal()) return;
  log::Line line(log::Level::info, "refused");
  if (in_transaction_)
    line.kv("id", id_.text()).kv("from", sender_);
  else
    line.kv("from", engine_.mail().reverse_path.text());
  if (!recipient.empty()) line.kv("to", recipient);
  line.kv("client", client_.address).kv("name", engine_.hello_name());
  if (std::string name = facts().name; !name.empty()) line.kv("client_name", name);
  line.kv("on", listener_.name()).kv("stage", stage).kv("reply", reply.one_line());
  if (!reason.empty()) line.kv("reason", reason);
  if (origin != nullptr && origin->line > 0) line.kv("config", origin->text());
}

// Replies that the engine gave by itself: syntax, order, limits, time-outs.
void Session::log_own_refusals() {
  std::uint64_t more = 0;
  for (const smtp::OwnRefusal& refusal : engine_.take_refusals(more))
    if (refusal.why != "shutdown" || in_transaction_) log_refused(refusal);
  refusals_left_out_ += more;
}

void Session::log_refused(const smtp::OwnRefusal& refusal) {
  std::string_view reason = refusal.why.empty() ? std::string_view("protocol") : refusal.why;
  std::string_view sender = in_transaction_ ? std::string_view(sender_) : std::string_view();
  if (refusal.stage == "MAIL") sender = refusal.address;
  note_refusal(refusal.stage, refusal.reply, sender,
               refusal.stage == "RCPT" ? std::string_view(refusal.address) : std::string_view(),
               reason);
  if (!may_log_refusal()) return;
  log::Line line(log::Level::info, "refused");
  if (in_transaction_) line.kv("id", id_.text()).kv("from", sender_);
  if (refusal.stage == "MAIL") line.kv("from", refusal.address);
  if (refusal.stage == "RCPT") line.kv("to", refusal.address);
  line.kv("client", client_.address).kv("name", engine_.hello_name());
  line.kv("on", listener_.name()).kv("stage", refusal.stage);
  if (!refusal.said.empty()) line.kv("said", refusal.said);
  line.kv("reply", refusal.reply.one_line());
  line.kv("reason", reason);
}

// For the history; also what is one too many for the log.
void Session::note_refusal(std::string_view stage, const mail::Reply& reply,
                           std::string_view sender, std::string_view recipient,
                           std::string_view reason) {
  if (shared_.refusals == nullptr) return;
  ipc::Refusal note;
  note.at = to_unix_ms(wall_now());
  note.client = client_.address;
  note.name = engine_.hello_name();
  note.listener = listener_.name();
  note.sender = sender;
  note.recipient = recipient;
  note.stage = stage;
  note.reply = reply;
  note.reason = reason;
  shared_.refusals->add(std::move(note), shared_.loop.now());
}

void Session::log_refusals_left_out() {
  refusals_logged_ = 0;
  std::uint64_t left_out = std::exchange(refusals_left_out_, 0);
  if (left_out == 0) return;
  log::Line(log::Level::info, "refused_more")
      .kv("client", client_.address)
      .kv("on", listener_.name())
      .kv("refusals", left_out);
}

void Session::log_tls_failed(std::string_view why) {
  note_refusal("TLS", {}, {}, {}, why);
  log::Line(log::Level::info, "tls_failed")
      .kv("client", client_.address)
      .kv("on", listener_.name())
      .kv("reason", why);
}

}  // namespace postwain::smtpd
