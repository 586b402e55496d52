// Values written as text in the configuration: durations, sizes, addresses, names. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.h"

namespace postwain::config {

std::optional<Duration> parse_duration(std::string_view text);   // 500ms, 10s, 5m, 2h, 3d
std::optional<std::uint64_t> parse_size(std::string_view text);  // 1024, 100KiB, 50MiB, 2GiB
bool parse_rate(std::string_view text, std::uint32_t& count, Duration& period);  // 100/min

struct HostPort {
  std::string host;  // an IP address
  std::uint16_t port = 0;
};
// "192.0.2.1:25" and "[2001:db8::1]:25"; without a port only when default_port is not 0. why tells
// what is wrong.
std::optional<HostPort> parse_ip_port(std::string_view text, std::uint16_t default_port,
                                      std::string& why);
// The message for what parse_fingerprint (config.h) does not take.
std::string not_a_fingerprint(std::string_view text);
bool is_ip_address(const std::string& text);

// A domain as it may stand behind an '@' (RFC 5321 4.1.2, or UTF-8 labels of RFC 6531).
bool is_domain(std::string_view text);
// local part, '@', domain; enough to catch slips, the grammar proper is that of common/smtp.
bool is_mailbox(std::string_view text);
bool is_local_part(std::string_view text);
// The name of a header field (RFC 5322 2.2), and a whole field of one line, "Name: text".
bool is_field_name(std::string_view text);
bool is_one_line_field(std::string_view text);

// How many letters one must add, remove, change or swap to make b of a.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace postwain::config
