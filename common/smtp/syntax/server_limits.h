// The bounds of a server session that are not configuration, with the least the standard demands.
// What happens at each bound stands beside it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace postwain::smtp {

// A command line with its CRLF; RFC 5321 4.5.3.1.4 asks for 512, each extension for some more.
// Beyond: 500 5.5.2 at the end of the line.
constexpr std::size_t kCommandLineMax = 2048;
// RFC 4954 4: a line of an AUTH exchange, with its CRLF. Beyond: 500 5.5.6, and the exchange is
// over.
constexpr std::size_t kAuthLineMax = 12288;
// So much of a line that is already too long is skipped; beyond: the session ends, with 421.
constexpr std::size_t kLineJunkMax = 64U << 10;
// The path counts its brackets. Beyond: 501 5.1.7 or 5.1.3, "Path too long". RFC 5321 4.5.3.1.1 and
// 4.5.3.1.3 name 64 and 256 octets as what everybody must take at least, and ask for no limit where
// one can do without: VERP, SRS and the tokens of ticket systems make local parts of 70 to 200.
constexpr std::size_t kLocalPartMax = 255;
constexpr std::size_t kDomainMax = 255;
constexpr std::size_t kDomainLabelMax = 63;
constexpr std::size_t kPathMax = kLocalPartMax + kDomainMax + 3;
// What a client calls itself, as far as it is kept.
constexpr std::size_t kHelloMax = 255;
// RFC 3461 4.4 and 4.2. Beyond: 501 5.5.4.
constexpr std::size_t kEnvidMax = 100;
constexpr std::size_t kOrcptMax = 500;
// Refusals of the engine that are kept for the host until it takes them; the others are counted.
constexpr std::size_t kRefusalsKept = 32;
// Of a command line that was refused, as far as it is told.
constexpr std::size_t kSaidMax = 200;
// BDAT commands in one transaction; beyond: 552 5.3.4, so that a million chunks of one byte end.
constexpr std::uint32_t kChunksMax = 10000;
// Octets of refused content that are read away to find its true end; beyond: the session ends.
constexpr std::uint64_t kDiscardMax = 1ULL << 30;
// Recipients above the limit get 452 and are no error (RFC 5321 4.5.3.1.10), but only so many.
constexpr std::uint32_t kRecipientOvershoot = 1000;
// NOOP, RSET, VRFY and the like since the last message; beyond: each counts as an error.
constexpr std::uint32_t kIdleCommandsMax = 100;
// One line of a reply, RFC 5321 4.5.3.1.5: 512 with code and CRLF. Longer texts are cut.
constexpr std::size_t kReplyTextMax = 480;

}  // namespace postwain::smtp
