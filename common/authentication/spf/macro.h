// Macros of SPF (RFC 7208 7): their syntax, and what they expand to. Pure, and in time proportional
// to the length of the text, whatever stands in it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postwain::authentication::spf {

constexpr std::size_t kNameMax = 253;         // octets of a name, as RFC 7208 7.3 counts them
constexpr std::size_t kExplanationMax = 200;  // octets of an explanation; the rest is cut off

// What the macro letters stand for. All of them are short: who makes them bounds them.
struct MacroValues {
  std::string sender;         // s: the whole address
  std::string local_part;     // l
  std::string sender_domain;  // o
  std::string domain;         // d: whose record is being evaluated
  std::string client;         // i: the dotted form
  std::string client_text;    // c: for reading
  std::string validated;      // p: the name of the client that was confirmed, or "unknown"
  std::string family;         // v: "in-addr" or "ip6"
  std::string helo;           // h
  std::string receiver;       // r
  std::string time;           // t: seconds since 1970

  std::string_view of(char letter) const;  // in lower case
};

// One piece of a macro-string.
struct MacroPiece {
  enum class Kind : char {
    literal,  // stands for itself
    escape,   // "%%", "%_" or "%-"
    macro,
  };
  Kind kind = Kind::literal;
  std::string_view text{};        // what a literal or an escape stands for
  char letter = 0;                // of a macro, in lower case
  bool url_escape = false;        // it was written in upper case
  bool reverse = false;           // its parts change their order
  std::size_t parts = 0;          // how many of them count, from the right; 0: all
  std::string_view delimiters{};  // empty: the dot
};

// Reads a macro-string from left to right.
class MacroReader {
 public:
  explicit MacroReader(std::string_view text) : rest_(text) {}

  // Nothing at the end, and where the syntax is wrong.
  std::optional<MacroPiece> next();
  bool failed() const { return failed_; }

 private:
  std::optional<MacroPiece> fail();
  std::optional<MacroPiece> read_macro();

  std::string_view rest_;
  bool failed_ = false;
};

// A domain-spec (7.1): it ends in a macro, or in a dot and a label that a top-level domain may
// have. "c", "r" and "t" are for explanations only (7.2).
bool is_domain_spec(std::string_view text);
// The value of a modifier that we do not know (6).
bool is_macro_string(std::string_view text);
// The text that an explanation is made of (6.2); spaces belong to it.
bool is_explanation(std::string_view text);

// The macro "p" is in it, so that MacroValues::validated has to be known.
bool needs_validated_name(std::string_view text);

// Both expect what the functions above have found right.
//
// The name that a domain-spec stands for, in lower case, without a final dot, shortened from the
// left by whole labels where it would be too long. It is not always a name that can be looked up
// (is_lookup_name), and empty where no label of it fits.
std::string expand_domain(std::string_view spec, const MacroValues& values);
// An explanation, cut at kExplanationMax. All of it is printable ASCII: what the macros bring and
// is not becomes '?'. It is a stranger's text nonetheless.
std::string expand_explanation(std::string_view text, const MacroValues& values);

}  // namespace postwain::authentication::spf
