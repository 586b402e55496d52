#include "smtpd/session/refusal_log.h"

#include <algorithm>
#include <utility>

#include "common/ipc/judgements.h"
#include "common/log/log.h"

namespace postwain::smtpd {

bool RefusalLog::may_log() {
  if (++logged_ <= kRefusalsLogged) return true;
  ++left_out_;
  return false;
}

void RefusalLog::add(std::string_view stage, const mail::Reply& reply, std::string_view recipient,
                     std::string_view reason, const config::Origin* origin) {
  note(stage, reply, sender(), recipient, reason);
  log(stage, reply, recipient, reason, origin);
}

void RefusalLog::add_filtered(std::string_view stage, const mail::Reply& reply,
                              const std::vector<std::string>& recipients, const std::string& filter,
                              const std::vector<ipc::FilterJudgement>& judgements) {
  const std::string reason = "filter " + filter;
  const std::string coded = ipc::encode_judgements(judgements);
  std::size_t told = std::min(recipients.size(), kRefusedRecipients);
  for (std::size_t i = 0; i < told; ++i) note(stage, reply, sender(), recipients[i], reason, coded);
  if (told == 0) note(stage, reply, sender(), {}, reason, coded);
  std::string one = recipients.size() == 1 ? recipients.front() : std::string();
  log(stage, reply, one, reason, nullptr);
}

std::string RefusalLog::sender() const {
  return transaction_.is_open() ? transaction_.sender()
                                : engine_.mail().envelope.reverse_path.text();
}

void RefusalLog::log(std::string_view stage, const mail::Reply& reply, std::string_view recipient,
                     std::string_view reason, const config::Origin* origin) {
  if (!may_log()) return;
  bool open = transaction_.is_open();
  log::Line line(log::Level::info, "refused");
  if (open) line.kv("id", transaction_.id().text());
  line.kv("from", sender());
  if (!recipient.empty()) line.kv("to", recipient);
  line.kv("client", client_.address()).kv("name", engine_.hello_name());
  if (std::string name = client_.facts().name; !name.empty()) line.kv("client_name", name);
  line.kv("on", listener_.name()).kv("stage", stage).kv("reply", reply.one_line());
  if (!reason.empty()) line.kv("reason", reason);
  if (origin != nullptr && origin->line > 0) line.kv("config", origin->text());
}

void RefusalLog::add_own() {
  std::uint64_t more = 0;
  for (const smtp::OwnRefusal& refusal : engine_.take_refusals(more))
    if (refusal.why != "shutdown" || transaction_.is_open()) add_own(refusal);
  left_out_ += more;
}

void RefusalLog::add_own(const smtp::OwnRefusal& refusal) {
  std::string_view reason = refusal.why.empty() ? std::string_view("protocol") : refusal.why;
  bool open = transaction_.is_open();
  std::string_view sender = open ? std::string_view(transaction_.sender()) : std::string_view();
  if (refusal.stage == "MAIL") sender = refusal.address;
  note(refusal.stage, refusal.reply, sender,
       refusal.stage == "RCPT" ? std::string_view(refusal.address) : std::string_view(), reason);
  if (!may_log()) return;
  log::Line line(log::Level::info, "refused");
  if (open) line.kv("id", transaction_.id().text());
  // Of a second MAIL within a transaction, that one's sender: a line has each field once.
  if (refusal.stage == "MAIL")
    line.kv("from", refusal.address);
  else if (open)
    line.kv("from", transaction_.sender());
  if (refusal.stage == "RCPT") line.kv("to", refusal.address);
  line.kv("client", client_.address()).kv("name", engine_.hello_name());
  line.kv("on", listener_.name()).kv("stage", refusal.stage);
  if (!refusal.said.empty()) line.kv("said", refusal.said);
  line.kv("reply", refusal.reply.one_line());
  line.kv("reason", reason);
}

void RefusalLog::add_login_failed(const mail::Reply& reply) {
  note("AUTH", reply, {}, {}, "login failed");
}

void RefusalLog::add_tls_failed(std::string_view why) {
  note("TLS", {}, {}, {}, why);
  log::Line(log::Level::info, "tls_failed")
      .kv("client", client_.address())
      .kv("on", listener_.name())
      .kv("reason", why);
}

// For the history; also what is one too many for the log.
void RefusalLog::note(std::string_view stage, const mail::Reply& reply, std::string_view sender,
                      std::string_view recipient, std::string_view reason, std::string judgements) {
  if (shared_.refusals == nullptr) return;
  ipc::Refusal note;
  note.at = to_unix_ms(wall_now());
  note.client = client_.address();
  note.name = engine_.hello_name();
  note.listener = listener_.name();
  note.sender = sender;
  note.recipient = recipient;
  note.stage = stage;
  note.reply = reply;
  note.reason = reason;
  note.judgements = std::move(judgements);
  shared_.refusals->add(std::move(note), shared_.loop.now());
}

void RefusalLog::log_left_out() {
  logged_ = 0;
  std::uint64_t left_out = std::exchange(left_out_, 0);
  if (left_out == 0) return;
  log::Line(log::Level::info, "refused_more")
      .kv("client", client_.address())
      .kv("on", listener_.name())
      .kv("refusals", left_out);
}

}  // namespace postwain::smtpd
