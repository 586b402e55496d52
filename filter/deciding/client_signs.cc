#include "filter/deciding/client_signs.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/dns/answer.h"

namespace postwain::filter {

namespace {

// Words between what is no letter; "static" and "mail" in the same name speak against them.
constexpr std::string_view kDynamicWords[] = {
    "adsl",    "cable", "dhcp", "dial",  "dialin", "dialup", "dip", "dsl",      "dyn",
    "dynamic", "pool",  "ppp",  "pppoe", "vdsl",   "xdsl",   "cpe", "broadband"};
constexpr std::string_view kServerWords[] = {"mail", "mx", "smtp", "mta", "static", "relay"};

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> out;
  std::string word;
  for (char c : name) {
    if (is_alpha(c)) {
      word += c;
      continue;
    }
    if (!word.empty()) out.push_back(std::exchange(word, {}));
  }
  if (!word.empty()) out.push_back(word);
  return out;
}

std::vector<std::uint32_t> numbers_of(std::string_view name) {
  std::vector<std::uint32_t> out;
  std::string digits;
  auto end = [&] {
    // Without zeros in front: "089" is 89.
    std::size_t first = std::min(digits.find_first_not_of('0'), digits.size());
    auto number = parse_decimal<std::uint32_t>(std::string_view(digits).substr(first));
    if (!digits.empty()) out.push_back(number.value_or(digits.size() > 9 ? UINT32_MAX : 0));
    digits.clear();
  };
  for (char c : name) {
    if (is_digit(c))
      digits += c;
    else
      end();
  }
  end();
  return out;
}

template <class Words>
bool has_word(const std::vector<std::string>& words, const Words& known) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return std::find(std::begin(known), std::end(known), word) != std::end(known);
  });
}

// The octets of an IPv4 address stand in the name one after another, forwards or backwards: all of
// them or the last two. The hexadecimal digits of all are looked for, too.
bool holds_ipv4(std::string_view name, const std::array<std::uint32_t, 4>& octets) {
  std::vector<std::uint32_t> numbers = numbers_of(name);
  auto follows = [&](std::initializer_list<std::uint32_t> wanted) {
    return std::search(numbers.begin(), numbers.end(), wanted.begin(), wanted.end()) !=
           numbers.end();
  };
  auto [a, b, c, d] = octets;
  if (follows({a, b, c, d}) || follows({d, c, b, a})) return true;
  // Two small numbers side by side happen in any name.
  if ((c > 9 || d > 9) && (follows({c, d}) || follows({d, c}))) return true;
  std::string hexadecimal;
  for (std::uint32_t octet : octets)
    hexadecimal += hex_encode(std::string(1, static_cast<char>(octet)));
  return name.find(hexadecimal) != std::string_view::npos;
}

std::optional<std::array<std::uint32_t, 4>> ipv4_of(std::string_view address) {
  std::vector<std::string_view> parts = split(address, '.');
  std::array<std::uint32_t, 4> out{};
  if (parts.size() != 4) return std::nullopt;
  for (std::size_t i = 0; i < 4; ++i) {
    auto octet = parse_decimal<std::uint8_t>(parts[i]);
    if (!octet) return std::nullopt;
    out[i] = *octet;
  }
  return out;
}

// The last 16 bits of each half are rarely enough; the last 32 are a good sign.
bool holds_ipv6(std::string_view name, const std::string& address) {
  std::string nibbles = dns::reverse_name(address);  // "1.0.0.0. … ip6.arpa"
  if (!nibbles.ends_with("ip6.arpa")) return false;
  std::string forwards;
  for (std::size_t i = 0; i < 64; i += 2) forwards.insert(forwards.begin(), nibbles[i]);
  std::string packed;
  for (char c : name)
    if (hex_value(c) >= 0) packed += c;
  return packed.find(forwards.substr(24)) != std::string::npos &&
         forwards.substr(24, 6) != "000000";
}

}  // namespace

bool looks_dynamic(std::string_view name, std::string_view address) {
  std::vector<std::string> words = words_of(name);
  if (has_word(words, kServerWords)) return false;
  if (has_word(words, kDynamicWords)) return true;
  if (auto octets = ipv4_of(address)) return holds_ipv4(name, *octets);
  return holds_ipv6(name, std::string(address));
}

bool is_odd_hello(std::string_view hello, std::string_view our_name, std::string_view address) {
  if (hello.empty()) return true;
  if (hello.front() == '[') {
    std::string_view inside = hello.substr(1, hello.size() - (hello.back() == ']' ? 2 : 1));
    if (istarts_with(inside, "ipv6:")) inside.remove_prefix(5);
    return dns::reverse_name(std::string(inside)) != dns::reverse_name(std::string(address));
  }
  if (!dns::reverse_name(std::string(hello)).empty()) return true;
  if (hello.back() == '.') hello.remove_suffix(1);
  return hello.find('.') == std::string_view::npos || iequals(hello, our_name);
}

std::string owner_domain(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  std::vector<std::string_view> labels = split(name, '.');
  if (labels.size() < 2) return {};
  // "co.uk", "com.br": a short word below a country.
  std::size_t count = 2;
  bool country = labels.back().size() == 2 && labels[labels.size() - 2].size() <= 3;
  if (country && labels.size() >= 3) count = 3;
  std::size_t size = count - 1;
  for (std::size_t i = labels.size() - count; i < labels.size(); ++i) size += labels[i].size();
  return to_lower(name.substr(name.size() - size));
}

std::string network_of(const std::string& address) {
  std::string name = dns::reverse_name(address);
  if (name.ends_with(".in-addr.arpa")) return "4:" + name.substr(name.find('.') + 1);
  return client_of(address);
}

std::string client_of(const std::string& address) {
  constexpr std::size_t kHostNibbles = 16;
  std::string name = dns::reverse_name(address);
  if (name.ends_with(".ip6.arpa")) return "6:" + name.substr(2 * kHostNibbles);
  return "=" + name;
}

}  // namespace postwain::filter
