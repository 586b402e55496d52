// What becomes of a message's content on its way out, before it is signed: fields that a route
// changes (common/content/field_patch.h), then the conversion to 7 bits
// (common/content/seven_bit.h). What is signed and what is sent go through two objects with the
// same rules, so they are the same octets. Streaming, pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/content/field_patch.h"
#include "common/content/seven_bit.h"

namespace postwain::agent {

struct FormRules {
  const mail::FieldChanges* changes = nullptr;  // null: no field changes; outlives the form
  bool seven_bit = false;
  bool keep_utf8_fields = false;  // of a message with SMTPUTF8 (mail::SevenBit)
  // Its last line gets an end where it has none, as only BDAT can bring it: verifiers do not agree
  // on the hash of such a body.
  bool end_line = false;
  bool changes_nothing() const { return changes == nullptr && !seven_bit && !end_line; }
};

class ContentForm {
 public:
  explicit ContentForm(const FormRules& rules) : end_line_(rules.end_line) {
    if (rules.changes != nullptr) patch_.emplace(*rules.changes);
    if (rules.seven_bit) seven_bit_.emplace(rules.keep_utf8_fields);
  }

  // Appends what can be said by now.
  void take(std::string_view content, std::string& out);
  // No more will come.
  void finish(std::string& out);

 private:
  void note_end(std::size_t before, std::string_view out);

  bool end_line_;
  bool ended_ = true;  // the last line that came out, if any has
  std::optional<mail::FieldPatch> patch_;
  std::optional<mail::SevenBit> seven_bit_;
  std::string patched_;
};

}  // namespace postwain::agent
