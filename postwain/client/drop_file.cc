#include "postwain/client/drop_file.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"

namespace postwain::tool {

namespace {

constexpr std::string_view kFirstLine = "postwain-drop 1";
constexpr std::size_t kValueMax = 2048;

// One line is one line.
std::string clean(std::string_view value) {
  std::string out(value.substr(0, kValueMax));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';
  return out;
}

// What stands between the first and the last quotation mark: not_an_address() wrote it.
std::string_view quoted_in(std::string_view reason) {
  std::size_t first = reason.find('\'');
  std::size_t last = reason.rfind('\'');
  return first == last ? reason : reason.substr(first + 1, last - first - 1);
}

bool is_clean(std::string_view value) {
  return value.size() <= kValueMax && clean(value) == value;
}

class Reader {
 public:
  explicit Reader(DropHead& head) : head_(head) {}

  // The mistake, or nothing.
  std::string_view take(std::string_view key, std::string_view value) {
    mail::Envelope& envelope = head_.envelope;
    if (key == "id") return take_id(value);
    if (key == "received") return take_time(value);
    if (key == "sender") return take_sender(value);
    if (key == "recipient") return take_recipient(value);
    if (key == "failed") return take_failed(value);
    if (key == "ret") return number(value, 2, [&](int n) { envelope.ret = mail::DsnReturn(n); });
    if (key == "utf8") return number(value, 1, [&](int n) { envelope.smtputf8 = n == 1; });
    if (key == "tls-required-no")
      return number(value, 1, [&](int n) { envelope.tls_required_no = n == 1; });
    if (key == "envid") return envelope.envid = value, std::string_view();
    if (key == "account") return head_.arrival.account = value, std::string_view();
    return "an unknown key";
  }

 private:
  std::string_view take_id(std::string_view value) {
    auto id = mail::QueueId::parse(value);
    if (!id) return "a bad id";
    head_.id = *id;
    return {};
  }
  std::string_view take_time(std::string_view value) {
    auto ms = parse_decimal<std::int64_t>(value);
    if (!ms || *ms <= 0) return "a bad time";
    head_.arrival.received_at = from_unix_ms(*ms);
    return {};
  }
  std::string_view take_sender(std::string_view value) {
    if (value.empty()) return {};
    auto address = smtp::parse_mailbox(value);
    if (!address) return "a bad sender";
    head_.envelope.reverse_path = *address;
    return {};
  }
  std::string_view take_recipient(std::string_view value) {
    std::size_t space = value.find(' ');
    if (space == std::string_view::npos) return "a bad recipient";
    mail::Recipient recipient;
    std::string_view wrong = number(value.substr(0, space), 15, [&](int n) {
      recipient.notify.bits = static_cast<std::uint8_t>(n);
    });
    auto address = smtp::parse_mailbox(value.substr(space + 1));
    if (!wrong.empty() || !address) return "a bad recipient";
    if (head_.envelope.recipients.size() >= ipc::kLocalRecipientsMax) return "too many recipients";
    recipient.address = *address;
    head_.envelope.recipients.push_back(std::move(recipient));
    return {};
  }
  // What sendmail was given and is no address: its sender hears of it.
  std::string_view take_failed(std::string_view value) {
    if (value.empty()) return "a bad recipient";
    if (head_.envelope.recipients.size() >= ipc::kLocalRecipientsMax) return "too many recipients";
    head_.envelope.recipients.push_back(not_an_address(value));
    return {};
  }
  template <class Set>
  std::string_view number(std::string_view value, int most, Set set) {
    auto found = parse_decimal<int>(value);
    if (!found || *found < 0 || *found > most) return "a bad number";
    set(*found);
    return {};
  }

  DropHead& head_;
};

}  // namespace

std::string encode_drop_head(const DropHead& head) {
  const mail::Envelope& envelope = head.envelope;
  std::string out = fmt::format("{}\nid {}\nreceived {}\nsender {}\nret {}\nutf8 {}\n", kFirstLine,
                                head.id.text(), to_unix_ms(head.arrival.received_at),
                                envelope.reverse_path.text(), static_cast<int>(envelope.ret),
                                envelope.smtputf8 ? 1 : 0);
  out += fmt::format("tls-required-no {}\n", envelope.tls_required_no ? 1 : 0);
  out += fmt::format("envid {}\naccount {}\n", clean(envelope.envid), clean(head.arrival.account));
  for (const mail::Recipient& r : envelope.recipients)
    if (r.decided.code == 0)
      out += fmt::format("recipient {} {}\n", r.notify.bits, r.address.text());
    else
      out += fmt::format("failed {}\n", clean(quoted_in(r.decided.text)));
  return out + "\n";
}

Result<DropHead> parse_drop_head(std::string_view text) {
  DropHead head;
  head.envelope.body = mail::BodyType::eight_bit_mime;
  head.arrival.protocol = "local";
  Reader reader(head);
  bool first = true;
  for (std::string_view line : split(text, '\n')) {
    if (std::exchange(first, false)) {
      if (line != kFirstLine) return Error{"it is no message that sendmail left"};
      continue;
    }
    if (line.empty()) break;
    std::size_t space = line.find(' ');
    if (space == std::string_view::npos || !is_clean(line)) return Error{"a bad line"};
    std::string_view wrong = reader.take(line.substr(0, space), line.substr(space + 1));
    if (!wrong.empty()) return Error{std::string(wrong)};
  }
  if (head.id.value == 0 || head.arrival.received_at == WallTime{})
    return Error{"id or time is missing"};
  if (head.envelope.recipients.empty()) return Error{"there is no recipient"};
  return head;
}

std::size_t drop_head_size(std::string_view bytes) {
  std::size_t end = bytes.find("\n\n");
  return end == std::string_view::npos ? 0 : end + 2;
}

mail::Recipient not_an_address(std::string_view text) {
  constexpr std::size_t kShown = 200;
  constexpr std::size_t kLocalPart = 60;
  std::string shown = printable(text, kShown);
  std::string local;
  for (char c : std::string_view(shown).substr(0, kLocalPart))
    local += is_alnum(c) || c == '-' || c == '_' ? c : c == '@' ? '=' : '_';
  if (local.empty()) local = "_";
  mail::Recipient out{mail::Address(local, "invalid"), {}, {}};
  out.decided = {553, {5, 1, 3}, "'" + shown + "' is not an address"};
  return out;
}

mail::QueueId drop_id(WallTime now, std::uint32_t random) {
  Duration earlier(random & 0x3FFU);
  mail::QueueId id = mail::QueueIdSource(mail::kDropWorker).next(now - earlier);
  id.value |= random >> 20;  // the twelve bits that count
  return id;
}

}  // namespace postwain::tool
