#include "qmgr/judging/judged_message.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/content/content_fields.h"
#include "common/content/header_form.h"
#include "common/filtering/envelope_edits.h"

#include "qmgr/verdicts/filters_asked.h"
#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

namespace {

constexpr const char* kPartlyHeld =
    "held: some of its recipients were held before its filters were asked";

mail::Envelope whole_envelope(const NewMessage& message) {
  mail::Envelope envelope = message.info.envelope;
  for (const NewRecipient& r : message.recipients) envelope.recipients.push_back(r.recipient);
  return envelope;
}

void change_envelope(const ipc::FilterResult& result, NewMessage& message, JudgedEdits& edits) {
  mail::Envelope envelope = whole_envelope(message);
  filtering::EnvelopeEdits changes = filtering::apply_edits(result, envelope);
  edits.mistakes = std::move(changes.mistakes);
  if (!changes.changed) return;
  std::erase_if(envelope.recipients,
                [](const mail::Recipient& r) { return !is_recipient(r.address); });
  message.recipients.clear();
  for (mail::Recipient& r : envelope.recipients) {
    envelope.smtputf8 = envelope.smtputf8 || r.address.is_utf8();
    message.recipients.push_back({std::move(r), {}});
  }
  envelope.recipients.clear();
  envelope.smtputf8 = envelope.smtputf8 || envelope.reverse_path.is_utf8();
  message.info.envelope = std::move(envelope);
}

// Fields only, and their line ends whole: what follows is the empty line, and the body.
bool has_fields_only(std::string_view section) {
  std::size_t from = 0;
  return section.empty() || (section.ends_with("\r\n") && !mail::has_lone_line_end(section) &&
                             mail::find_header_end(section, from, true).header == section.size());
}

// Which header section goes before the body, and whether the body stays where it is.
void change_content(const UnjudgedMessage& waiting, Judged& judged, NewMessage& message) {
  MessageInfo& info = message.info;
  const MessageInfo& old = waiting.message.info;
  std::string header = judged.result.header_changed ? judged.section + "\r\n"
                                                    : waiting.stored.substr(0, judged.body_begin);
  bool ascii = is_ascii(header);
  if (judged.body) {
    info.in_file = judged.body->in_file;
    if (info.in_file && judged.body->file != old.id) {
      info.id = judged.body->file;
      message.part_of = old.id;
    }
    info.header_size = info.in_file ? static_cast<std::uint32_t>(header.size()) : 0;
    info.size = header.size() + judged.body->size;
    info.eight_bit = !ascii || judged.body->eight_bit;
    message.content = std::move(header) + judged.body->octets;
    return;
  }
  std::uint64_t body = old.size - judged.body_begin;
  info.size = header.size() + body;
  info.eight_bit = info.eight_bit || !ascii;
  if (info.in_file) {
    info.header_size = static_cast<std::uint32_t>(header.size());
    message.content = std::move(header);
  } else {
    message.content = std::move(header) + waiting.stored.substr(judged.body_begin);
  }
}

}  // namespace

NewMessage unchanged(const UnjudgedMessage& waiting) {
  NewMessage message;
  message.info = waiting.message.info;
  message.content = waiting.stored;
  message.judged.emplace();
  message.judged->id = message.info.id;
  bool any_held = false;
  for (const StoredRecipient& row : waiting.message.recipients) {
    bool held = row.state == RecipientState::held;
    any_held = any_held || held;
    message.judged->recipients.push_back({row.index, held});
    message.recipients.push_back({row.recipient, {}});
  }
  if (any_held) message.held_for = kPartlyHeld;
  // The readers of a notice are known; who else a recipient stands for is worked out now.
  message.restored = message.info.kind != MessageKind::mail;
  return message;
}

JudgedEdits edited(const UnjudgedMessage& waiting, Judged judged) {
  JudgedEdits edits;
  NewMessage message = unchanged(waiting);
  bool is_mail = filter_kind(message.info) == ipc::FilterKind::local;
  if (!is_mail) {
    judged.body.reset();
    judged.result.body_replaced = false;
  }
  if (judged.result.header_changed && !has_fields_only(judged.section)) {
    edits.mistakes.emplace_back("a header section that is none");
    judged.result.header_changed = false;
  }
  bool touched = judged.result.header_changed || judged.body;
  const MessageInfo& old = waiting.message.info;
  bool apart = !old.in_file || old.header_size > 0;
  if (touched && (!apart || judged.section.size() + 2 > ipc::kHeaderApartMax)) return edits;
  if (touched) change_content(waiting, judged, message);
  if (is_mail) {
    if (judged.result.hold) message.held_for = one_line(*judged.result.hold, kHeldForMax);
    change_envelope(judged.result, message, edits);
  }
  edits.message = std::move(message);
  return edits;
}

}  // namespace postwain::qmgr
