// The two forms in which DKIM signs fields and bodies (RFC 6376 3.4). Pure. Line ends are CRLF; a
// lone CR or LF is an octet like any other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace postwain::authentication::dkim {

enum class Canonical : std::uint8_t { simple, relaxed };

// field: "Name: value" as it stands, with its folds, with or without its last CRLF. The result has
// none (RFC 6376 3.4.1, 3.4.2).
std::string canonical_field(Canonical form, std::string_view field);

// The body while it comes in, cut anywhere (RFC 6376 3.4.3, 3.4.4). Keeps a fixed amount of memory:
// empty lines, which count only if something follows, are a number.
class CanonicalBody {
 public:
  using Emit = std::function<void(std::string_view)>;

  explicit CanonicalBody(Canonical form) : form_(form) {}
  Canonical form() const { return form_; }
  // Gives what is decided of the form to emit, piece by piece.
  void take(std::string_view piece, const Emit& emit);
  // Nothing follows; called once.
  void end(const Emit& emit);
  std::uint64_t octets() const { return octets_; }  // emitted so far

 private:
  std::string_view plain_text(std::string_view piece) const;
  void take_text(std::string_view text, const Emit& emit);
  void settle_cr(char next, const Emit& emit);
  void flush_waiting(const Emit& emit);
  void put(std::string_view text, const Emit& emit);
  void flush(const Emit& emit);

  Canonical form_;
  std::array<char, 4096> buffer_{};
  std::size_t buffered_ = 0;
  std::uint64_t octets_ = 0;
  std::uint64_t line_ends_ = 0;  // since the last octet of text
  bool blank_ = false;           // relaxed: white space since the last octet or line end
  bool cr_ = false;              // a CR, whose LF may follow
  bool any_text_ = false;
};

}  // namespace postwain::authentication::dkim
