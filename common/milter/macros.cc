#include "common/milter/macros.h"

#include <algorithm>

#include "common/milter/packet.h"

namespace postwain::milter {

namespace {

constexpr std::string_view kConnect[] = {"j",
                                         "daemon_name",
                                         "daemon_addr",
                                         "daemon_port",
                                         "if_name",
                                         "if_addr",
                                         "v",
                                         "_",
                                         "client_name",
                                         "client_addr",
                                         "client_port",
                                         "client_ptr",
                                         "client_resolve",
                                         "client_connections"};
constexpr std::string_view kHelo[] = {"tls_version", "cipher", "cipher_bits", "cert_subject",
                                      "cert_issuer"};
constexpr std::string_view kMail[] = {"i",        "auth_type", "auth_authen", "auth_author",
                                      "auth_ssf", "mail_addr", "mail_host",   "mail_mailer",
                                      "r",        "s"};
constexpr std::string_view kRcpt[] = {"i", "rcpt_addr", "rcpt_host", "rcpt_mailer"};
constexpr std::string_view kData[] = {"i"};
constexpr std::string_view kEndOfHeader[] = {"i",          "spf_result",   "dkim_result",
                                             "arc_result", "dmarc_result", "auth_authres"};
constexpr std::string_view kEndOfMessage[] = {
    "i", "msg_id", "b", "spf_result", "dkim_result", "arc_result", "dmarc_result", "auth_authres"};

// The order of the stages in a macro list.
constexpr Stage kListed[] = {Stage::connect,      Stage::helo, Stage::mail,
                             Stage::rcpt,         Stage::data, Stage::end_of_message,
                             Stage::end_of_header};

std::string_view bare(std::string_view name) {
  if (name.size() > 2 && name.front() == '{' && name.back() == '}')
    return name.substr(1, name.size() - 2);
  return name;
}

}  // namespace

void Macros::set(std::string_view name, std::string value) {
  auto found = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& entry) { return entry.name == name; });
  if (found != entries_.end())
    found->value = std::move(value);
  else if (!value.empty())
    entries_.push_back({std::string(name), std::move(value)});
}

std::string_view Macros::get(std::string_view name) const {
  for (const Entry& entry : entries_)
    if (entry.name == name) return entry.value;
  return {};
}

std::span<const std::string_view> default_macros(Stage stage) {
  switch (stage) {
    case Stage::connect:
      return kConnect;
    case Stage::helo:
      return kHelo;
    case Stage::mail:
      return kMail;
    case Stage::rcpt:
      return kRcpt;
    case Stage::data:
      return kData;
    case Stage::end_of_header:
      return kEndOfHeader;
    case Stage::end_of_message:
      return kEndOfMessage;
    case Stage::header:
    case Stage::body:
    case Stage::unknown:
      break;
  }
  return {};
}

bool MacroLists::set(std::uint32_t index, std::string_view names) {
  if (index >= std::size(kListed)) return false;
  std::vector<std::string>& list = lists_[static_cast<std::size_t>(kListed[index])].emplace();
  constexpr std::string_view kBetween = " \t\r\n,";
  while (list.size() < kMacroNamesMax) {
    std::size_t begin = names.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) break;
    names.remove_prefix(begin);
    std::string_view name = names.substr(0, names.find_first_of(kBetween));
    list.emplace_back(bare(name));
    names.remove_prefix(name.size());
  }
  return true;
}

void append_macros(std::string& out, Stage stage, const MacroLists& lists, const Macros& macros) {
  std::size_t before = out.size();
  bool any = false;
  {
    PacketWriter packet(out, Command::macros);
    char command = static_cast<char>(rule_of(stage).command);
    packet.octets({&command, 1});
    lists.for_each(stage, [&](std::string_view name) {
      std::string_view value = macros.get(name);
      if (value.empty()) return;
      any = true;
      packet.text(name.size() == 1 ? std::string(name) : "{" + std::string(name) + "}");
      packet.text(value);
    });
  }
  if (!any) out.resize(before);
}

}  // namespace postwain::milter
