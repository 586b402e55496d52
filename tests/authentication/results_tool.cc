// Writes fields Authentication-Results, for the tests that have others read them
// (tests/system/authentication/test_results_oracles.py). Lines of words, each in percent-encoding
// with a "." in front:
//     result METHOD RESULT REASON COMMENT
//     property TYPE NAME VALUE
//     field AUTHSERV-ID "ascii"|"utf8"    of the results before it: answered by the field and "."
//     claim AUTHSERV-ID VALUE             answered by "none", "ours" or "unparsable"
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/authentication/results/results_field.h"
#include "common/authentication/results/results_reader.h"
#include "common/base/text.h"

using namespace postwain;
using namespace postwain::authentication;

namespace {

std::string decoded(std::string_view word) {
  std::string out;
  for (std::size_t i = 1; i < word.size(); ++i) {
    bool encoded = word[i] == '%' && i + 2 < word.size();
    out +=
        encoded ? static_cast<char>(hex_value(word[i + 1]) << 4 | hex_value(word[i + 2])) : word[i];
    if (encoded) i += 2;
  }
  return out;
}

std::string_view name_of(ResultsClaim claim) {
  switch (claim) {
    case ResultsClaim::none:
      return "none";
    case ResultsClaim::ours:
      return "ours";
    case ResultsClaim::unparsable:
      return "unparsable";
  }
  return "";
}

bool obey(const std::vector<std::string>& words, std::vector<MethodResult>& results) {
  if (words[0] == "result" && words.size() == 5) {
    results.push_back({words[1], words[2], words[3], {}, words[4]});
  } else if (words[0] == "property" && words.size() == 4 && !results.empty()) {
    results.back().properties.push_back({words[1], words[2], words[3]});
  } else if (words[0] == "field" && words.size() == 3) {
    std::cout << results_field(words[1], std::exchange(results, {}), words[2] == "utf8") << "."
              << std::endl;
  } else if (words[0] == "claim" && words.size() == 3) {
    std::cout << name_of(claim_of(words[2], words[1])) << std::endl;
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main() {
  std::vector<MethodResult> results;
  for (std::string line; std::getline(std::cin, line);) {
    std::vector<std::string> words;
    for (std::string_view word : split(line, ' ')) words.push_back(decoded(word));
    if (!obey(words, results)) {
      std::cerr << "not understood: " << line << '\n';
      return 64;
    }
  }
}
