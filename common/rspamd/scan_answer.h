// What Rspamd answers to /checkv2: its action, the score with the rules that made it, and what it
// wants changed (the object "milter"). Nothing of it is believed before it is bounded here. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postwain::rspamd {

constexpr std::size_t kSymbolsKept = 20;
constexpr std::size_t kSymbolNameMax = 64;  // octets
constexpr std::size_t kFieldsMax = 200;     // added, and removed
constexpr std::size_t kScanTextMax = 480;   // octets of a text for the client or an operator

enum class ScanAction : std::uint8_t {
  none,  // "no action", "greylist": that one says "soft reject" when it is to be put off
  add_header,
  rewrite_subject,
  soft_reject,
  reject,
  quarantine,
  discard,
};

// In Rspamd's words; none: "no action".
std::string_view name_of(ScanAction action);

struct ScanAnswer {
  struct Field {
    std::string name;
    std::string value;
    std::optional<std::uint32_t> order{};  // before which field it stands; nothing: at the end
  };
  struct Removed {
    std::string name;
    std::int32_t index = 0;  // from 1; 0: all of that name; negative: counted from the last one
  };
  struct Symbol {
    std::string name;
    std::int32_t thousandths = 0;
  };

  ScanAction action = ScanAction::none;
  bool skipped = false;    // it did not look at the message
  std::int32_t score = 0;  // in thousandths, as all here
  std::int32_t score_limit = 0;
  std::vector<Symbol> symbols;  // the weightiest first
  std::string message;          // for the client; may be empty
  std::string subject;          // of rewrite_subject; may be empty
  std::vector<Field> added;
  std::vector<Removed> removed;
  std::vector<std::string> recipients_added;
  std::vector<std::string> recipients_removed;
  std::optional<std::string> sender;
};

// Nothing: it is no answer of Rspamd.
std::optional<ScanAnswer> read_scan_answer(std::string_view json);

}  // namespace postwain::rspamd
