#include "common/sasl/dovecot_lines.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::sasl {

namespace {

// What Dovecot's str_tabunescape undoes.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\1' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    char c = text[++i];
    out += c == '0'   ? '\0'
           : c == '1' ? '\1'
           : c == 't' ? '\t'
           : c == 'r' ? '\r'
           : c == 'n' ? '\n'
                      : c;
  }
  return out;
}

bool is_mechanism(std::string_view name) {
  if (name.empty() || name.size() > 20) return false;
  for (char c : name)
    if (!is_alnum(c) && c != '-' && c != '_') return false;
  return true;
}

DovecotLine mechanism(const std::vector<std::string_view>& words) {
  if (words.size() < 2 || !is_mechanism(words[1])) return {};
  DovecotLine line{DovecotLine::Kind::mechanism, 0, std::string(words[1]), false, false};
  // EXTERNAL and what is bound to the connection need what Dovecot cannot see from here.
  line.private_use = words[1] == "EXTERNAL" || words[1].find("-PLUS") != std::string_view::npos;
  for (std::size_t i = 2; i < words.size(); ++i)
    if (words[i] == "private" || words[i] == "anonymous") line.private_use = true;
  return line;
}

DovecotLine verdict(DovecotLine::Kind kind, const std::vector<std::string_view>& words) {
  DovecotLine line{kind, 0, {}, false, false};
  auto id = words.size() < 2 ? std::nullopt : parse_decimal<std::uint32_t>(words[1]);
  if (!id) return {DovecotLine::Kind::bad};
  line.id = *id;
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (words[i].substr(0, 5) == "user=") line.text = unescape(words[i].substr(5));
    if (words[i] == "temp") line.temporary = true;
  }
  return line;
}

}  // namespace

std::string dovecot_hello(std::uint32_t pid) {
  return fmt::format("VERSION\t1\t1\nCPID\t{}\n", pid);
}

// nologin: nobody fetches the user from Dovecot's master process afterwards. resp must be last.
std::string dovecot_auth(const DovecotRequest& request) {
  std::string out =
      fmt::format("AUTH\t{}\t{}\tservice=smtp\tnologin", request.id, request.mechanism);
  if (!request.client.empty()) out += fmt::format("\trip={}", request.client);
  if (request.secured) out += "\tsecured";
  if (request.initial != nullptr) out += "\tresp=" + base64_encode(*request.initial);
  return out + '\n';
}

std::string dovecot_continue(std::uint32_t id, std::string_view response) {
  return fmt::format("CONT\t{}\t{}\n", id, base64_encode(response));
}

std::string dovecot_cancel(std::uint32_t id) {
  return fmt::format("CANCEL\t{}\n", id);
}

DovecotLine parse_dovecot(std::string_view line) {
  std::vector<std::string_view> words = split(line, '\t');
  std::string_view verb = words.front();
  if (verb == "VERSION")
    return {words.size() >= 3 && words[1] == "1" ? DovecotLine::Kind::other
                                                 : DovecotLine::Kind::bad};
  if (verb == "MECH") return mechanism(words);
  if (verb == "DONE") return {DovecotLine::Kind::done};
  if (verb == "OK") return verdict(DovecotLine::Kind::success, words);
  if (verb == "FAIL") return verdict(DovecotLine::Kind::failure, words);
  if (verb == "CONT") {
    DovecotLine result = verdict(DovecotLine::Kind::challenge, words);
    auto challenge = base64_decode(words.size() > 2 ? words[2] : std::string_view());
    if (!challenge) return {DovecotLine::Kind::bad};
    result.text = *std::move(challenge);
    return result;
  }
  return {};
}

}  // namespace postwain::sasl
