#include "postwain/sendmail/local_header.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/content/header_form.h"

namespace postwain::tool {

namespace {

struct Field {
  std::string_view name;
  std::string_view value;  // still folded
  std::string_view raw;    // with its CRLF
};

std::vector<Field> split_fields(std::string_view header) {
  std::vector<Field> fields;
  while (!header.empty()) {
    std::size_t size = 0;
    do {
      std::size_t end = header.find("\r\n", size);
      size = end == std::string_view::npos ? header.size() : end + 2;
    } while (size < header.size() && (header[size] == ' ' || header[size] == '\t'));
    std::string_view raw = header.substr(0, size);
    header.remove_prefix(size);
    std::size_t colon = raw.find(':');
    bool mbox = fields.empty() && mail::is_mbox_line(raw);
    if (mbox || colon == std::string_view::npos) continue;
    fields.push_back(Field{trim(raw.substr(0, colon)), raw.substr(colon + 1), raw});
  }
  return fields;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  for (std::string_view candidate : names)
    if (iequals(name, candidate)) return true;
  return false;
}

// Names without a domain get that of this machine (RFC 6409 8.1), and nothing else is changed.
std::string qualified(const Field& field, const std::string& origin) {
  std::string raw(field.raw);
  if (origin.empty() ||
      !is_one_of(field.name, {"From", "Sender", "Reply-To", "To", "Cc", "Resent-From",
                              "Resent-Sender", "Resent-Reply-To", "Resent-To", "Resent-Cc"}))
    return raw;
  auto value = static_cast<std::size_t>(field.value.data() - field.raw.data());
  std::vector<std::size_t> places = read_address_list(field.value).unqualified;
  for (std::size_t i = places.size(); i > 0; --i) raw.insert(value + places[i - 1], "@" + origin);
  return raw;
}

}  // namespace

HeaderRecipients header_recipients(std::string_view header) {
  std::vector<Field> fields = split_fields(header);
  bool resent = false;
  for (const Field& field : fields)
    resent = resent || is_one_of(field.name, {"Resent-To", "Resent-Cc", "Resent-Bcc"});
  HeaderRecipients out;
  for (const Field& field : fields) {
    bool counts = resent ? is_one_of(field.name, {"Resent-To", "Resent-Cc", "Resent-Bcc"})
                         : is_one_of(field.name, {"To", "Cc", "Bcc"});
    if (!counts) continue;
    AddressList list = read_address_list(field.value);
    for (mail::Address& address : list.addresses) out.addresses.push_back(std::move(address));
    for (AddressList::Bad& bad : list.bad) {
      bad.why = fmt::format("{}: {}", field.name, bad.why);
      out.bad.push_back(std::move(bad));
    }
  }
  return out;
}

std::string phrase(std::string_view name) {
  if (!is_ascii(name)) {
    // An encoded word holds at most 75 characters (RFC 2047 2); a longer name is cut at a letter.
    std::string text = is_valid_utf8(name) ? std::string(name) : std::string();
    while (text.size() > 45) {
      do text.pop_back();
      while (!text.empty() && !is_valid_utf8(text));
    }
    return text.empty() ? "" : "=?utf-8?B?" + base64_encode(text) + "?=";
  }
  std::string out;
  bool quote = false;
  for (char c : name) {
    if (c < ' ' || c == 0x7F) continue;
    if (!is_alnum(c) && std::string_view("!#$%&'*+-/=?^_`{|}~ ").find(c) == std::string_view::npos)
      quote = true;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return quote ? "\"" + out + "\"" : out;
}

std::string complete_header(std::string_view header, const LocalOrigin& origin) {
  std::string out;
  bool date = false;
  bool message_id = false;
  bool from = false;
  std::string rest;
  for (const Field& field : split_fields(header)) {
    if (is_one_of(field.name, {"Bcc", "Resent-Bcc", "Return-Path"})) continue;
    date = date || iequals(field.name, "Date");
    message_id = message_id || iequals(field.name, "Message-ID");
    from = from || iequals(field.name, "From");
    rest += qualified(field, origin.origin);
    if (rest.substr(rest.size() - 2) != "\r\n") rest += "\r\n";
  }
  if (!date) out += fmt::format("Date: {}\r\n", format_rfc5322(origin.now));
  if (!message_id) out += fmt::format("Message-ID: <{}@{}>\r\n", origin.id.text(), origin.hostname);
  if (!from) {
    std::string name = phrase(origin.full_name);
    out += name.empty() ? fmt::format("From: {}\r\n", origin.from)
                        : fmt::format("From: {} <{}>\r\n", name, origin.from);
  }
  return out + rest + "\r\n";
}

}  // namespace postwain::tool
