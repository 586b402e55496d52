// Rewrites senders and takes them back as lines tell it, for the tests that ask other programs, too
// (tests/system/authentication/test_srs_oracles.py).
//     srs_tool DOMAIN SEPARATOR SECRET...
// A line is "forward SECONDS ADDRESS" or "reverse SECONDS ADDRESS", the time in seconds since 1970;
// the answer is "ok ADDRESS" or "no REASON".
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

#include "common/base/text.h"
#include "common/base/time.h"
#include "common/rewrite/srs.h"
#include "common/smtp/syntax/address_syntax.h"

using namespace postwain;

namespace {

std::string answer(const rewrite::Srs& srs, std::string_view line) {
  std::size_t first = line.find(' ');
  std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return "no line of three words";
  auto seconds = parse_decimal<std::int64_t>(line.substr(first + 1, second - first - 1));
  auto address = smtp::parse_mailbox(line.substr(second + 1));
  if (!seconds || !address) return "no time or address";
  WallTime now{std::chrono::seconds(*seconds)};
  rewrite::SrsOutcome out =
      line.substr(0, first) == "forward" ? srs.forward(*address, now) : srs.reverse(*address, now);
  if (out.problem != rewrite::SrsProblem::none) return "no " + std::string(text_of(out.problem));
  return "ok " + out.address.text();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || std::string_view(argv[2]).size() != 1) {
    std::cerr << "srs_tool DOMAIN SEPARATOR SECRET...\n";
    return 64;
  }
  rewrite::Srs srs({argv[1], {argv + 3, argv + argc}, argv[2][0]});
  for (std::string line; std::getline(std::cin, line);) std::cout << answer(srs, line) << std::endl;
}
