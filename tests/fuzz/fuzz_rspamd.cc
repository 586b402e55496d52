// Octets as a worker of Rspamd that says what it likes: however they are cut, the same answer comes
// of them or the same mistake; and what is read of a whole answer stays within its bounds and its
// lines.
//
// The input: how many sizes of pieces there are, so many octets with the sizes, used in turn, and
// the octets of the server. Where the first octet is odd, the server ends the connection then.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/rspamd/http_reader.h"
#include "common/rspamd/scan_answer.h"

using namespace postwain;
using namespace postwain::rspamd;

namespace {

HttpReader read(std::string_view octets, std::string_view sizes, bool ends) {
  HttpReader out;
  bool good = true;
  for (std::size_t i = 0; !octets.empty(); ++i) {
    std::size_t size = octets.size();
    if (!sizes.empty()) size = static_cast<unsigned char>(sizes[i % sizes.size()]) + 1U;
    bool taken = out.receive(octets.substr(0, size));
    PW_CHECK(good || !taken);  // a reader that has failed stays so
    good = taken;
    PW_CHECK(good == out.failure().empty());
    octets.remove_prefix(std::min(size, octets.size()));
  }
  if (ends && good) PW_CHECK(out.end() == out.failure().empty());
  return out;
}

bool is_one_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

void check(const ScanAnswer& answer) {
  constexpr std::int32_t kMost = 1'000'000'000;
  PW_CHECK(answer.score >= -kMost && answer.score <= kMost);
  PW_CHECK(is_one_line(answer.subject) && is_one_line(answer.message));
  PW_CHECK(answer.message.size() <= kScanTextMax);
  PW_CHECK(answer.symbols.size() <= kSymbolsKept);
  for (const ScanAnswer::Symbol& one : answer.symbols) PW_CHECK(one.name.size() <= kSymbolNameMax);
  PW_CHECK(answer.added.size() <= kFieldsMax && answer.removed.size() <= kFieldsMax);
  for (const ScanAnswer::Field& one : answer.added)
    PW_CHECK(is_one_line(one.name) && !one.name.empty());
  for (const ScanAnswer::Removed& one : answer.removed) PW_CHECK(is_one_line(one.name));
  for (const std::string& one : answer.recipients_added) PW_CHECK(is_one_line(one));
  for (const std::string& one : answer.recipients_removed) PW_CHECK(is_one_line(one));
  if (answer.sender) PW_CHECK(is_one_line(*answer.sender) && !answer.sender->empty());
  (void)name_of(answer.action);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  auto first = static_cast<unsigned char>(input.front());
  std::string_view sizes = input.substr(1, first / 2 % 16);
  std::string_view octets = input.substr(1 + sizes.size());
  bool ends = first % 2 != 0;
  HttpReader whole = read(octets, {}, ends);
  HttpReader cut = read(octets, sizes, ends);
  PW_CHECK(whole.whole() == cut.whole());
  PW_CHECK(whole.failure() == cut.failure());
  PW_CHECK(whole.status() == cut.status());
  PW_CHECK(whole.server() == cut.server() && whole.server().size() <= kServerMax);
  PW_CHECK(whole.body() == cut.body() && whole.body().size() <= kBodyMax);
  PW_CHECK(!whole.whole() || whole.status() >= 200);
  if (!whole.whole()) return 0;
  if (std::optional<ScanAnswer> answer = read_scan_answer(whole.body())) check(*answer);
  return 0;
}
